"""The same fleet, reached in every way that an inventory can say: nothing turns, whatever the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest

from lab import DEPLOY_PASSWORD, Lab, LabHost, lab
from selftest.scenarios.suite import suite

WAYS: dict[str, Callable[[LabHost], Mapping[str, object]]] = {
    "paramiko over IPv4": lambda _: {},
    "paramiko over IPv6": lambda host: {"ansible_host": host.address6},
    "openssh": lambda _: {"ansible_connection": "openssh"},
    "an ordinary user": lambda _: {"ansible_user": "deploy"},
    "an ordinary user who becomes root": lambda _: {"ansible_user": "deploy", "ansible_become": True},
    "a password": lambda _: {
        "ansible_user": "deploy",
        "ansible_password": DEPLOY_PASSWORD,
        "ansible_ssh_private_key_file": None,
    },
    "a named interpreter": lambda _: {"ansible_python_interpreter": "/usr/bin/python3"},
}

UNPRIVILEGED = {"an ordinary user", "a password"}
"""Ways that end as a user who may not see everything: what needs root is an error that says so, and nothing else is."""


@pytest.fixture(scope="module")
def fleet() -> Iterator[Lab]:
    with lab(hosts=2) as made:
        yield made


@pytest.mark.parametrize("way", WAYS)
def test_nothing_turns_whatever_the_way(fleet: Lab, way: str) -> None:
    """Nothing but what an ordinary user may not see, which is no pass."""
    run = suite(fleet, variables={host.name: WAYS[way](host) for host in fleet})
    unseen = [result for result in run.results if result.outcome == "error"]
    assert all(result.message.endswith("needs root") for result in unseen), run
    assert not unseen or way in UNPRIVILEGED
    assert {turn.outcome for turn in run.turned} <= {"error"}, run
    assert run.status == (6 if unseen else 0)
    assert {result.host for result in run.results if result.host} == {"db", "web"}
    assert {run.of(host.name)["clock.offset"].outcome for host in fleet} == {"passed"}, "questions go every way"


def test_a_hop_over_another_host(fleet: Lab) -> None:
    """web is reached through db: its address is asked of db's network, as behind a bastion."""
    db, web = fleet
    jump = f"-o UserKnownHostsFile={web.known_hosts} -J root@{db.address}"
    config = (
        f"Include other\nHost {db.address}\n  IdentityFile {db.private_key}\n  UserKnownHostsFile {db.known_hosts}\n"
    )
    web.run(["ip", "route", "add", "blackhole", "10.77.0.1/32"])
    try:
        run = suite(fleet, variables={"web": {"ansible_ssh_common_args": jump}}, ssh_config=config)
    finally:
        web.run(["ip", "route", "del", "blackhole", "10.77.0.1/32"])
    assert run.turned == set(), run
    (note,) = [line for line in run.stdout.splitlines() if line.startswith("note: Include other in ")]
    assert note.endswith("/.ssh/config:1 is not followed by paramiko; --connection=openssh follows it")
