"""No secret comes out: not in a file or a stream of a run, not on a command line, not in a log of the hosts.

keyed      logs in by key, sudo wants the password, which is in the vault
spoken     logs in by password, sudo wants it too
needless   sudo wants none, and one is configured
wrong      sudo wants a password, and another one is configured
locked     the login's password is wrong
proxied    its ssh arguments hold a secret, and lead nowhere
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from lab import DEPLOY_PASSWORD, Lab, LabHost, lab, wait_until
from lab.files import SUDOERS
from selftest.endings.canaries import (
    CANARIES,
    CRASHING,
    POLICY,
    Planted,
    Vaulted,
    Watch,
    everything_of,
    found_in,
    plant,
    watching,
)
from selftest.scenarios.suite import ROOT, Run, suite

BECOME: dict[str, object] = {"ansible_user": "deploy", "ansible_become": True}
BY_PASSWORD: dict[str, object] = {"ansible_user": "deploy", "ansible_ssh_private_key_file": None}
VARIABLES: dict[str, dict[str, object]] = {
    "keyed": {**BECOME, "ansible_become_password": Vaulted(DEPLOY_PASSWORD)},
    "spoken": {
        **BECOME,
        **BY_PASSWORD,
        "ansible_password": DEPLOY_PASSWORD,
        "ansible_become_password": "{{ ansible_password }}",
    },
    "needless": {**BECOME, "ansible_become_password": CANARIES["needless sudo password"]},
    "wrong": {**BECOME, "ansible_become_password": CANARIES["wrong sudo password"]},
    "locked": {**BY_PASSWORD, "ansible_password": CANARIES["wrong login password"]},
    "proxied": {"ansible_ssh_common_args": f"-o ProxyCommand='false {CANARIES['ssh argument']}'"},
}
LOUD = ("-vv", "-rA", "--tb=long", "--showlocals", "-o", "log_cli=true", "--log-level=DEBUG")
TATTLER = f"""
import ctypes, time
ctypes.CDLL(None).prctl(15, b{DEPLOY_PASSWORD!r}, 0, 0, 0)
held = bytearray(200 << 20)
held[::4096] = b"x" * len(held[::4096])
time.sleep(1000)
"""
"""A process that bears the password as its name, and is large enough to be named."""
RECORDING_SUDO = '#!/bin/bash\nexec /usr/bin/sudo "$@" < <(exec tee -a /tmp/sudo-input 2>/dev/null)\n'


class Story(NamedTuple):
    lab: Lab
    planted: Planted
    run: Run
    watch: Watch

    def again(self, *arguments: str) -> Run:
        return suite(
            self.lab,
            f"--inventory={self.planted.inventory}",
            *arguments,
            policy=POLICY,
            cwd=self.planted.folder,
            environment=self.planted.environment,
        )


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with lab(names=list(VARIABLES)) as fleet, ExitStack() as stack:
        for host in fleet:
            _log_everything(host)
        planted = plant(fleet, tmp_path_factory.mktemp("planted"), VARIABLES)
        fleet[0].write("/srv/tattler.py", TATTLER)
        stack.enter_context(fleet[0].background(["python3", "/srv/tattler.py"]))
        wait_until(
            lambda: DEPLOY_PASSWORD in fleet[0].shell("cat /proc/*/comm", check=False), within=5, what="its name"
        )
        begun = Story(fleet, planted, None, None)  # type: ignore[arg-type]  # the run is yet to come
        watch = stack.enter_context(watching())
        run = begun.again(*LOUD)
        yield Story(fleet, planted, run, watch)


def _log_everything(host: LabHost) -> None:
    """sshd and sudo say all that they can; what goes into sudo is kept."""
    asks = SUDOERS if host.name == "needless" else SUDOERS.replace("NOPASSWD: ", "")
    host.write("/etc/sudoers", f"Defaults logfile=/var/log/sudo.log\n{asks}", mode="440")
    if host.name == "needless":
        host.write("/usr/local/bin/sudo", RECORDING_SUDO, mode="755")
    host.shell('kill "$(cat /run/sshd.pid)"; rm -f /run/sshd.pid')
    wait_until(lambda: host.run(["/usr/sbin/sshd", "-t"], check=False).returncode == 0, within=5, what="sshd to be fit")
    wait_until(lambda: _listens_loudly(host), within=5, what=f"{host.name}'s loud sshd")


def _listens_loudly(host: LabHost) -> bool:
    host.run(["/usr/sbin/sshd", "-E", "/var/log/sshd.log", "-o", "LogLevel=DEBUG3"], check=False)
    return host.exists("/run/sshd.pid")


def test_the_run_met_every_secret(story: Story) -> None:
    """Otherwise nothing below proves anything."""
    reached = {result.host: result for result in story.run.results if result.check == "reachable.login"}
    messages = {name: result.message for name, result in reached.items() if result.outcome != "passed"}
    assert set(messages) == {"wrong", "locked", "proxied"}, story.run
    assert messages["wrong"] == "become: sudo did not accept the password"
    assert "not accepted as deploy: password" in messages["locked"]
    assert story.run.of("keyed")["memory.fork"].message.startswith("off: ********, ********, ********: no reason")
    assert story.run.of("keyed")["mine.secretive"].message.startswith("RuntimeError: ********")
    assert story.run.of("keyed")["mine.raises_what_it_found"].message.startswith("RuntimeError: ********")
    assert "********" in story.run.of("spoken")["mine.tells_what_it_found"].message
    assert story.run.of("keyed")["mine.asks_sudo"].outcome == "failed"
    assert "INTERNALERROR" not in story.run.stdout


def test_none_is_in_a_file_or_a_stream(story: Story) -> None:
    told = everything_of(story.run)
    assert {"results.jsonl", "report.html", "junit.xml", "run.json", "run.log", "keyed.json.gz"} <= told.keys()
    assert found_in(told) == set()
    assert b'"********"' in told["keyed.json.gz"]  # so the process was there


def test_none_is_on_a_command_line_or_in_an_environment(story: Story) -> None:
    seen = story.watch.seen
    assert story.watch.looks > 20
    assert any(b"SHIPWORTHY-SUDO-" in text for text in seen), "sudo was never seen"
    # ssh's own ProxyCommand is a command line: what stands in it is on one, whoever runs it.
    known = {name: text for name, text in CANARIES.items() if name != "ssh argument"}
    assert {name for name, secret in known.items() if any(secret.encode() in text for text in seen)} == set()


def test_none_is_on_a_host(story: Story) -> None:
    for host in story.lab:
        assert "debug3" in host.read("/var/log/sshd.log")
        search = ["grep", "-rlaF", "-f", "-", "/var/log", "/tmp", "/run"]
        found = host.run(search, input="\n".join(CANARIES.values()), check=False)
        assert (found.returncode, found.stdout) == (1, ""), host.name
    assert "COMMAND=/bin/sh -c" in story.lab[0].read("/var/log/sudo.log")


def test_a_needless_password_is_not_sent(story: Story) -> None:
    needless = story.lab[2]
    sent = needless.read("/tmp/sudo-input")
    assert '"deadline": ' in sent  # the request went this way
    assert CANARIES["needless sudo password"] not in sent


def test_a_wrong_password_is_tried_once(story: Story) -> None:
    """However many tests want sudo: accounts are locked for less."""
    assert story.lab[3].read("/var/log/sudo.log").count("incorrect password") == 1


@pytest.mark.parametrize("arguments", [("--collect-only", "-q"), ("-x", *LOUD)], ids=" ".join)
def test_none_is_in_other_words_of_a_run(story: Story, arguments: tuple[str, ...]) -> None:
    run = story.again(*arguments, "--limit=keyed")
    assert "INTERNALERROR" not in run.stdout
    assert found_in(everything_of(run)) == set()


def test_none_is_told_when_the_vault_stays_shut(story: Story) -> None:
    story.planted.vault_password.write_text("another\n")
    try:
        run = story.again()
    finally:
        story.planted.vault_password.write_text(CANARIES["vault password"] + "\n")
    assert run.status == 4
    assert "vault" in run.stderr
    assert found_in(everything_of(run)) == set()


def test_none_is_in_a_crash(story: Story) -> None:
    """A user's conftest that breaks pytest itself: its account shows every frame's variables."""
    crashing = story.planted.folder / "conftest.py"
    crashing.write_text(CRASHING)
    try:
        run = story.again("--limit=keyed", "-m", "mine", *LOUD)
    finally:
        crashing.unlink()
    assert run.status == 3
    assert "the conftest is broken" in run.stdout
    assert found_in(everything_of(run)) == set()


def test_none_is_explained(story: Story, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yml"
    policy.write_text(POLICY)
    command = [sys.executable, "-m", "shipworthy", "policy", "explain", "keyed"]
    command += [f"--inventory={story.planted.inventory}", f"--policy={policy}"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **story.planted.environment},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"no reason at all" in done.stdout
    assert found_in({"stdout": done.stdout}) == set()


def test_a_specification_on_the_command_line_is_noted_without_its_password(story: Story) -> None:
    keyed = story.lab[0]
    home = story.planted.folder
    specification = f"ssh://deploy:{CANARIES['password'].replace('-', '%2D')}@{keyed.address}"
    command = [sys.executable, "-m", "pytest", "-q", f"--hosts={specification}", f"--reports={home / 'by-hosts'}"]
    done = story.lab.here.run(
        [*command, "-p", "no:cacheprovider", str(ROOT / "tests" / "test_reachable.py")],
        env={**story.planted.environment, "HOME": str(home)},
        check=False,
        seconds=60,
    )
    run = Run(done.returncode, done.stdout, done.stderr, 0, (home / "by-hosts" / "latest").resolve(), ())
    told = everything_of(run)
    assert "run.json" in told, run
    assert found_in(told) == set()
    assert b"%2D" not in b"".join(told.values())
