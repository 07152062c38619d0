"""What is not understood: exit 4, the place, the reason; nothing is asked, nothing is left behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from selftest.stories.user import HERE, Repository

TEST = "def test_memory_is_there(memory):\n    assert memory.ram.total_bytes\n"


@dataclass(frozen=True)
class Case:
    """What a user gives, and what the one who reads the answer must find in it."""

    says: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


def policy(text: str, *says: str) -> Case:
    return Case(says, files={"policies/local.yml": text})


def inventory(text: str, *says: str, **more: str) -> Case:
    files = {path.replace("__", "/") + ".yml": content for path, content in more.items()}
    return Case(says, files={"inventories/local.yml": text, **files})


def asked(*arguments: str, says: tuple[str, ...], **environment: str) -> Case:
    return Case(says, arguments, environment=environment)


CASES = {
    "malformed policy": policy("plays: [\n", "policies/local.yml:2:", "expected"),
    "tab in a policy": policy("plays:\n- hosts: all\n\tmemory: {}\n", "policies/local.yml:3:", "tab"),
    "a key twice": policy("extends: strict\nextends: baseline\n", "policies/local.yml:2:", "extends", "twice"),
    "unknown key": policy(
        "plays:\n- hosts: all\n  memory:\n    swap_usd: {fail_above: 1 GiB}\n",
        "policies/local.yml:4: memory.swap_usd:",
        "swap_used",
    ),
    "all problems at once": policy(
        "plays:\n- hosts: all\n  memory: {swap_usd: {}, available: {fail_below: 140 %}}\n",
        "policies/local.yml:3: memory.swap_usd:",
        "policies/local.yml:3: memory.available.fail_below:",
    ),
    "warn on the wrong side": policy(
        "plays:\n- hosts: all\n  memory:\n    available: {warn_below: 5 %, fail_below: 10 %}\n",
        "policies/local.yml:4: memory.available",
        "lies beyond fail_below",
        "it would never warn",
    ),
    "negative bytes": policy(
        "plays:\n- hosts: all\n  memory: {swap_used: {fail_above: -1 MiB}}\n", "policies/local.yml:3:", "-1 MiB"
    ),
    "140 %": policy("plays:\n- hosts: all\n  memory: {available: {fail_below: 140 %}}\n", "140 %", "100 %"),
    "no unit": policy("plays:\n- hosts: all\n  memory: {swap_used: {fail_above: 64 MB/s}}\n", "64 MB/s"),
    "a look-up": policy(
        "plays:\n- hosts: all\n  memory: {available: {fail_below: \"{{ lookup('pipe', 'touch ran') }}\"}}\n",
        "policies/local.yml:3:",
        "lookup",
    ),
    "a variable that nobody set": policy(
        "plays:\n- hosts: all\n  memory: {available: {fail_below: '{{ floor }} %'}}\n", "policies/local.yml:3:", "floor"
    ),
    "waiver without an end": policy(
        "waivers:\n- {check: memory.fork, hosts: all, owner: a, approved_by: b, ticket: c}\n", "until"
    ),
    "waiver of no check": policy("waivers:\n- {check: memory.frok, hosts: all}\n", "memory.frok", "memory.fork"),
    "malformed inventory": inventory("all: [\n", "inventories/local.yml"),
    "empty inventory": inventory("all:\n  hosts:\n", "inventories/local.yml: holds no host"),
    "cyclic group": inventory(
        "a: {children: {b: {children: {a: {hosts: {here: }}}}}}\n", "inventories/local.yml", "loop"
    ),
    "undefined variable": inventory(
        "all: {hosts: {here: {ansible_connection: local, ansible_host: '{{ nowhere }}'}}}\n", "here", "nowhere"
    ),
    "vault without its password": inventory(
        HERE,
        "inventories/group_vars/all.yml",
        "vault",
        inventories__group_vars__all="$ANSIBLE_VAULT;1.1;AES256\n3132\n",
    ),
    "no such inventory": asked("--inventory=stagin", says=("--inventory=stagin: there is no such inventory", "local")),
    "no such inventory in the environment": asked(
        says=("stagin: there is no such inventory",), SHIPWORTHY_INVENTORY="stagin"
    ),
    "no inventory at all": asked("--inventory=", says=("--inventory: is empty",)),
    "inventory after a space": asked(
        "--inventory", "/elsewhere/x.yml", says=("write --inventory=/elsewhere/x.yml: pytest takes",)
    ),
    "policy after a space": asked("--policy", "x.yml", says=("write --policy=x.yml",)),
    "no such policy": asked("--policy=x.yml", says=("x.yml: cannot be read: No such file",)),
    "a pattern that selects nothing": asked("--limit=!here", says=("--limit=!here: selects no host",)),
    "a pattern of no host": asked("--limit=web", says=("'web' is no host and no group",)),
    "a file where reports should be": Case(
        ("taken: reports cannot be written here: a file is in the way",), ("--reports=taken",), {"taken": ""}
    ),
    "xdist": asked("-n", "2", says=("-n: every xdist worker would log in to every host",)),
    "testinfra's ssh_config": asked("--ssh-config=x", says=("--ssh-config:", "ansible_ssh_common_args")),
    "testinfra's identity": asked("--ssh-identity-file=x", says=("ansible_ssh_private_key_file",)),
    "testinfra's sudo": asked("--sudo", says=("ansible_become: true",)),
    "testinfra's inventory": asked("--ansible-inventory=x", says=("use --inventory=",)),
    "hosts beside an inventory": asked("--hosts=local://", "--inventory=local", says=("--hosts:", "--limit")),
    "no hosts": asked("--hosts=", says=("--hosts: is empty",)),
    "hosts in no known way": asked("--hosts=telnet://x", says=("telnet:// is unknown", "ssh")),
    "no known connection": asked("--connection=telnet", says=("--connection=telnet: is no connection", "openssh")),
    "no forks": asked("--forks=0", says=("--forks: 0 is not a finite number above 0",)),
    "no time": asked("--deadline=nan", says=("--deadline: nan is not a finite number above 0",)),
    "no end": asked("--deadline=inf", says=("--deadline: inf is not a finite number above 0",)),
    "window over the deadline": asked("--window=20", says=("--window:", "half of the deadline")),
    "tomorrow": asked("--at=tomorrow", says=("--at: 'tomorrow' is neither a date (2027-01-15) nor days",)),
    "the end of time": asked("--at=9999999d", says=("--at:",)),
    "beyond the end of time": asked("--at=+9999999d", says=("--at:",)),
    "a file of a run to replay": asked(
        "--replay=tests/test_theirs.py",
        says=("tests/test_theirs.py is a file; a run's directory is wanted, such as reports/latest",),
    ),
    "no run to replay": asked("--replay=gone", says=("gone/run.json: No such file or directory",)),
    "that run's policy, today's hosts": asked(
        "--replay=x", "--policy-as-run", "--limit=here", says=("--limit: is today's; --policy-as-run takes hosts",)
    ),
    "its policy without a run": asked("--policy-as-run", says=("--policy-as-run: goes with --replay=DIR",)),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_in_words(repository: Repository, name: str) -> None:
    case = CASES[name]
    for path, text in {"tests/test_theirs.py": TEST, **case.files}.items():
        repository.write(path, text)
    before = repository.files
    ran = repository.pytest(*case.arguments, environment=case.environment)
    assert ran.status == 4, ran
    assert [words for words in case.says if words not in ran.said] == [], ran
    assert "Traceback" not in ran.said
    assert "INTERNALERROR" not in ran.said
    assert repository.files == before
