"""ssh's configuration, read as ssh reads it: `ssh -G` tells what is meant, and what cannot be followed is refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from selftest.links.servers import PATIENT, Lab, fail, say
from shipworthy.errors import LinkError
from shipworthy.inventory import Host
from shipworthy.inventory.ssh_options import HONOURED
from shipworthy.links import open_link
from shipworthy.links.ssh_config import Settings, settings_of

ONLY_SSH = "; --connection=openssh follows it"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path


def meant(home: Path, text: str, alias: str = "db1", **changes: object) -> Settings:
    (home / "config").write_text(text)
    return settings_of(Host("it", alias, ssh_config=str(home / "config"), **changes))  # type: ignore[arg-type]


def ssh_means(home: Path, text: str, alias: str = "db1") -> dict[str, list[str]]:
    """What ssh itself would do, by keyword."""
    (home / "config").write_text(text)
    command = ["ssh", "-G", "-F", str(home / "config"), alias]
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    told: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        keyword, _, value = line.partition(" ")
        told.setdefault(keyword, []).append(value)
    return told


AS_SSH = {
    "the first value wins": "Port 1\nHost db1\n Port 2\nHost *\n Port 3\n User late\n",
    "equals signs, tabs and any case": "HOST=db1\n\tpOrT = 7\n\tuser\t=me\n",
    "comments": "# Port 1\nPort 2 # not 3\nUser a#b\n",
    "patterns": "Host d?1\n User one\nHost *1\n Port 11\nHost * !db1\n Port 12\n User not\n",
    "signs that are no patterns": "Host [a-z]b1\n Port 5\nHost db.\n Port 6\n",
    "a quoted pattern": 'Host "web" "db1"\n Port 5\n',
    "a name made of the name": "HostName %h.example.net\nMatch host db1.example.net\n Port 4\n",
    "a name that is known later": "Match host real\n Port 1\nHost db1\n HostName real\n",
    "a name that is known later, finally": "Match final host real\n Port 1\nHost db1\n HostName real\n",
    "the last pass goes by the real name": "Match final\nHost real\n Port 8\nHost db1\n HostName real\n User me\n",
    "the last pass passes for canonical too": "Match canonical\n Port 8\nMatch final\n User me\n",
    "canonical without a cause": "Match canonical\n Port 8\nMatch !canonical\n User me\n",
    "all": "Match all\n Port 8\nMatch !all\n User me\n",
    "originalhost": "HostName real\nMatch originalhost DB1,x\n Port 8\nMatch originalhost real\n User me\n",
    "user": "Host db1\n User me\nMatch user me\n Port 8\nMatch user ME\n AddressFamily inet\n",
    "not the user": "Match !user nobody-at-all localuser *\n Port 8\nMatch user=root,me\n HashKnownHosts yes\n",
    "a list with an exception": "Match host d*,!db1\n Port 8\nMatch host !x,db*\n User me\n",
    "another's exec": "Match host other exec /bin/true\n Port 1\nMatch originalhost db1\n Port 2\n",
    "true is yes": "HashKnownHosts true\nIdentitiesOnly false\nStrictHostKeyChecking true\n",
    "IPv6": "AddressFamily inet6\n",
    "case in a last pass": "Match final\n User me\nMatch final host db1\n Port 7\nHost DB1\n HostName REAL\n",
}


@pytest.mark.skipif(not shutil.which("ssh"), reason="needs ssh")
@pytest.mark.parametrize("text", AS_SSH.values(), ids=AS_SSH)
def test_a_file_means_what_it_means_to_ssh(home: Path, text: str) -> None:
    ours, theirs = meant(home, text), ssh_means(home, text)
    assert [ours.address, str(ours.port), ours.user] == [theirs[word][0] for word in ("hostname", "port", "user")]
    assert ours.hash_known_hosts == (theirs["hashknownhosts"] == ["yes"])
    assert int(ours.family) == {"any": 0, "inet": 2, "inet6": 10}[theirs["addressfamily"][0]]


@pytest.mark.parametrize(
    ("value", "files"),
    [
        ('"/tmp/a b"', ["/tmp/a b"]),
        ('"/tmp/a b" /tmp/c "/tmp/d"', ["/tmp/a b", "/tmp/c", "/tmp/d"]),
        (r"/tmp/a\ b '/tmp/c d' /tmp/e\"f", ["/tmp/a b", "/tmp/c d", '/tmp/e"f']),
        ("~/known ${WHERE}/known /%h/%p/%%", ["{home}/known", "/some where/known", "/db1/22/%"]),
        ("none", []),
    ],
)
def test_file_names_are_quoted_and_filled_in(
    home: Path, monkeypatch: pytest.MonkeyPatch, value: str, files: list[str]
) -> None:
    monkeypatch.setenv("WHERE", "/some where")
    wanted = tuple(Path(file.format(home=home)) for file in files)
    assert meant(home, f"UserKnownHostsFile {value}\nGlobalKnownHostsFile none\n").known_hosts == wanted
    options = (("userknownhostsfile", value), ("globalknownhostsfile", "none"))
    assert meant(home, "", ssh_options=options).known_hosts == wanted


def test_identity_files_add_up_and_each_is_filled_in(home: Path) -> None:
    mine = 'IdentityFile "${HOME}/my key"\n'
    text = f"{mine}Host db1\n IdentityFile ~/%r@%h\n User me\nHost *\n {mine}"
    assert meant(home, text).identities == (f"{home}/my key", f"{home}/me@db1")
    assert meant(home, text, private_key_file="/as it is").identities[0] == "/as it is"


@pytest.mark.parametrize(
    ("said", "socket"),
    [("${HOME}/agent", "{home}/agent"), ("$MINE", "/mine"), ("$THEIRS", None), ("SSH_AUTH_SOCK", None), ("none", None)],
)
def test_the_agent_may_be_named(home: Path, monkeypatch: pytest.MonkeyPatch, said: str, socket: str | None) -> None:
    monkeypatch.setenv("MINE", "/mine")
    assert meant(home, f"IdentityAgent {said}\n").agent == (socket and socket.format(home=home))


UNFOLLOWED = {
    "Match exec /bin/true\n Port 1\n": f"{{config}}:1: `Match exec` is not followed by paramiko{ONLY_SSH}",
    "\nMatch host db1 tagged x\n": f"{{config}}:2: `Match tagged` is not followed by paramiko{ONLY_SSH}",
    "Match !localnetwork 10.0.0.0/8\n": f"{{config}}:1: `Match localnetwork` is not followed by paramiko{ONLY_SSH}",
    "Match sessiontype shell\n": f"{{config}}:1: `Match sessiontype` is not followed by paramiko{ONLY_SSH}",
    "CanonicalizeHostname yes\nCanonicalDomains a.example\n": (
        f"CanonicalizeHostname is not followed by paramiko{ONLY_SSH}"
    ),
    "IdentityFile ${NO_SUCH_THING}/x\n": "${NO_SUCH_THING} in ${NO_SUCH_THING}/x is not set",
    "UserKnownHostsFile /x/%C\n": "%C is not known to the paramiko link",
    "Port twenty-two\n": "port 'twenty-two' is no number",
    "ConnectTimeout 1m\n": "connecttimeout '1m' is no number",
    "StrictHostKeyChecking perhaps\n": (
        "stricthostkeychecking 'perhaps' is none of yes, true, ask, accept-new, no, false, off"
    ),
    "IdentitiesOnly\tperhaps\n": "identitiesonly 'perhaps' is none of yes, true, no, false",
    "User a b\n": "user has more than one value",
}


@pytest.mark.parametrize("text", UNFOLLOWED)
def test_what_is_not_followed_is_refused_where_it_matters(home: Path, text: str) -> None:
    with pytest.raises(LinkError) as caught:
        meant(home, text)
    where = home / "config"
    reason = UNFOLLOWED[text].format(config=where) if "{config}" in UNFOLLOWED[text] else UNFOLLOWED[text]
    assert (caught.value.rung, caught.value.reason) == ("connect", f"ssh configuration {where}, for db1: {reason}")


def test_no_command_of_the_configuration_is_run_to_find_out(home: Path) -> None:
    with pytest.raises(LinkError):
        meant(home, f"Match exec 'touch {home}/run'\n User me\n")
    assert not (home / "run").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Port\n", "1: port has no value"),
        ("Host\n", "1: host has no value"),
        ("Match\n", "1: match has no value"),
        ("Match host\n", "1: Match host has no value"),
        ("Match all host x\n", "1: `Match all` goes with no other criterion"),
        ("# fine\n\n!!\n", "3: '!!' is no keyword and value"),
        ('IdentityFile "/a\n', "1: a quote in '\"/a' is not closed"),
    ],
)
def test_what_is_broken_is_named_with_its_line(home: Path, text: str, reason: str) -> None:
    with pytest.raises(LinkError) as caught:
        meant(home, text)
    assert caught.value.reason == f"ssh configuration {home}/config:{reason}"


EXAMPLES = {
    "addressfamily": "inet6",
    "connecttimeout": "7",
    "globalknownhostsfile": "/x",
    "hashknownhosts": "yes",
    "hostkeyalias": "x",
    "hostname": "x",
    "identitiesonly": "yes",
    "identityagent": "/x",
    "identityfile": "/x",
    "port": "7",
    "proxycommand": "x",
    "proxyjump": "x",
    "stricthostkeychecking": "off",
    "user": "x",
    "userknownhostsfile": "/x",
}


@pytest.mark.parametrize("keyword", sorted(HONOURED))
def test_every_keyword_that_is_promised_is_acted_on(home: Path, monkeypatch: pytest.MonkeyPatch, keyword: str) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/some/agent")
    plain = meant(home, "")
    changed = meant(home, f"{keyword} {EXAMPLES[keyword]}\n")
    assert changed != plain
    assert meant(home, "", ssh_options=((keyword, EXAMPLES[keyword]),)) == changed


def test_include_is_said_with_a_login_that_succeeds_and_with_one_that_fails(lab: Lab) -> None:
    config = lab.home / ".ssh/config"
    config.write_text("User root\n\nInclude other\n")
    notice = f"Include other in {config}:3 is not followed by paramiko{ONLY_SSH}"
    with open_link(lab.host(), PATIENT, {}) as link:
        assert link.notices == (notice,)
    no_key, _, _ = fail(lab.host(private_key_file=None))
    assert no_key.rung == "authentication"
    (lab.home / ".ssh/known_hosts").write_text("")
    unknown, _, _ = fail(lab.host())
    assert unknown.rung == "host key"
    unresolved, _, _ = fail(lab.host(address="no-such-host.invalid"))
    assert unresolved.rung == "resolve"
    by_proxy, _, _ = fail(lab.host(ssh_options=(("proxycommand", "sh -c 'echo no way >&2; exit 1'"),)))
    assert "ProxyCommand said: no way" in by_proxy.reason
    for error in (no_key, unknown, unresolved, by_proxy):
        assert error.reason.endswith(f" ({notice})")


def test_a_login_through_the_file_works(lab: Lab) -> None:
    (lab.home / "a key").symlink_to(lab.key)
    (lab.home / "known by me").write_text(lab.server.known_as(f"[127.0.0.1]:{lab.server.port}"))
    (lab.home / ".ssh/known_hosts").unlink()
    (lab.home / ".ssh/config").write_text(
        'Match originalhost db1.example !user nobody\n  HostName 127.0.0.1\n  IdentityFile "${HOME}/a key"\n'
        f'  User root\n  Port {lab.server.port}\n  UserKnownHostsFile "~/known by me"\n'
    )
    with open_link(Host("db1", "db1.example"), PATIENT, {}) as link:
        assert say(link, "echo ok") == "ok"
