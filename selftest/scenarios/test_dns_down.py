"""When DNS itself is down, hosts that are known by name are still reached, and what is down is told.

resolver1, resolver2   web.hosts.test, db.hosts.test: how the inventory knows the clients
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lab import Lab, lab
from lab.faults import confirm
from lab.names import SERVERS, Estate, estate
from lab.names.client import rule
from lab.names.servers import answers
from selftest.scenarios.broken import OF_FLEET
from selftest.scenarios.suite import Run, suite

pytestmark = pytest.mark.xdist_group("names")

CLIENTS = ("web", "db")
PLAYS = "- {hosts: 'web:db', dns: {www.example.test: {authoritative: true}}}\n"


@pytest.fixture(scope="module")
def names() -> Iterator[Estate]:
    with lab(names=[*SERVERS, *CLIENTS]) as fleet, estate(fleet) as made:
        yield made


@pytest.fixture(scope="module")
def runs(names: Estate, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """One before, and two while no resolver answers: without the last run's addresses, and with them."""
    reports = tmp_path_factory.mktemp("reports")
    before = by_name(names, reports)
    with resolvers_silent(names.lab):
        lost = by_name(names, tmp_path_factory.mktemp("others"))
        found = by_name(names, reports, "--addresses-from=latest")
    return {"before": before, "lost": lost, "found": found}


def by_name(names: Estate, reports: Path, *arguments: str) -> Run:
    """Run it with an inventory that knows the clients by name, so that here must look them up."""
    keys = names.lab.directory / "known_names"
    known = dict(line.split(" ", 1) for line in (names.lab.directory / "known_hosts").read_text().splitlines())
    keys.write_text("".join(f"{host.name}.hosts.test {known[host.address]}\n" for host in names.lab))
    told = {
        name: {"ansible_host": f"{name}.hosts.test", "ansible_ssh_common_args": f"-o UserKnownHostsFile={keys}"}
        for name in CLIENTS
    }
    chosen = ("-m", "dns or reachable", f"--limit={','.join(CLIENTS)}", *arguments)
    return suite(names.lab, *chosen, variables=told, policy=names.policy + PLAYS, reports=reports)


@contextmanager
def resolvers_silent(fleet: Lab) -> Iterator[None]:
    """While inside, neither resolver hears a question."""
    with ExitStack() as walls:
        for host in fleet[2:4]:
            for table in ("iptables-legacy", "ip6tables-legacy"):
                for protocol in ("udp", "tcp"):
                    drop = ("INPUT", "-i", "eth0", "-p", protocol, "--dport", "53", "-j", "DROP")
                    walls.enter_context(rule(host, table, *drop))
        confirm(not answers(fleet[-1], "www.example.test"), fleet[-1], "a resolver answers")
        yield


def test_while_dns_is_well_so_is_everything(runs: dict[str, Run]) -> None:
    assert runs["before"].turned == set(), runs["before"]


def test_without_addresses_nobody_is_reached(runs: dict[str, Run]) -> None:
    logins = {name: runs["lost"].of(name)["reachable.login"].outcome for name in CLIENTS}
    assert set(logins.values()) == {"failed"}, runs["lost"]


def test_with_those_of_the_last_run_everybody_is(runs: dict[str, Run]) -> None:
    for name in CLIENTS:
        told = runs["found"].of(name)
        assert told["reachable.login"].outcome == "passed", runs["found"]
        assert {told[f"dns.{check}"].outcome for check in ("ipv4", "ipv6", "nameservers")} == {"failed"}


@pytest.mark.parametrize("which", ["lost", "found"])
def test_what_can_be_seen_from_here_is_still_judged(runs: dict[str, Run], which: str) -> None:
    """The authoritative servers are asked by address, from the root down."""
    results = (one for one in runs[which].results if one.host is None and one.check not in OF_FLEET)
    once = {one.check: one.outcome for one in results}
    assert once, runs[which]
    assert set(once.values()) == {"passed"}


def test_it_says_so_in_good_time(runs: dict[str, Run]) -> None:
    assert all(run.seconds < 20 for run in runs.values()), {which: run.seconds for which, run in runs.items()}
