"""Certificates that policies name, as clients here meet them; what comes of that on another day, and when it ends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from selftest.stories.user import Ran, Repository
from selftest.vantage import tls_servers
from shipworthy.here import load

TWO = "all:\n  hosts:\n    first: {ansible_connection: local}\n    second: {ansible_connection: local}\n"
THEIRS = """
from datetime import UTC, datetime

from shipworthy.checks import check, Item

END = datetime(2027, 2, 3, tzinfo=UTC)


@check("certificates.yours", each="files")
def test_it_is_served(served, item: Item):
    '''It is.

    Why: of others we know nothing.
    Look: at it.
    '''
    assert served.name == item.policy.served_by
    assert served.showing


@check("certificates.ours", each="endpoints")
def test_it_is_shown(shown, item: Item, horizon, now):
    '''It is.

    Why: of others we know nothing.
    Look: at it.
    '''
    assert [spot.seen.address for spot in shown.showing] == ["127.0.0.1"]
    assert (shown.name, shown.at) == (item.name, now)
    assert now < END, f"{item.name} has ended"
    horizon.fails(END, f"{item.name}, expires")


@check("certificates.theirs", each="endpoints", once=True)
def test_it_is_seen_everywhere(everywhere, item: Item):
    '''It is.

    Why: of others we know nothing.
    Look: at it.
    '''
    ports = [sighted.shown.spots[0].endpoint.port for sighted in everywhere.sighted]
    places = [sighted.place for sighted in everywhere.sighted]
    assert False, f"{item.name}: {places} {len(set(ports))} {everywhere.missing}"
"""
PLAY = """
plays:
- hosts: all
  certificates:
    www: {{connect: "127.0.0.1:{}", name: example.com}}
"""
ON_SECOND = "- hosts: second\n  certificates: {www: {vantage: host}}\n"


@dataclass
class Server:
    """A TLS server of example.com on loopback."""

    port: int = 0
    met: list[str] = field(default_factory=list)
    """Who connected."""

    def handle(self, stream: socket.socket) -> None:
        self.met.append(stream.getpeername()[0])
        self._tls(stream)

    def __post_init__(self) -> None:
        self._tls = tls_servers.tls(tls_servers.context())


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    with tls_servers.serving(made.handle) as made.port:
        yield made


@pytest.fixture
def theirs(repository: Repository) -> Repository:
    repository.write("inventories/local.yml", TWO)
    repository.write("tests/test_theirs.py", THEIRS)
    return repository


def ran(theirs: Repository, policy: str, *arguments: str) -> Ran:
    theirs.write("policies/local.yml", policy)
    return theirs.pytest("tests", "-k", "shown", *arguments)


def told(ran: Ran) -> dict[str, str]:
    return {f"{result.host}/{result.item}": result.outcome for result in ran.results}


SHOWN = {"first/www": "passed", "second/www": "passed"}
CONVERSATIONS = 6
"""With an address: by itself, in each of four versions, and for the other kind of key."""
ENDS = "note: by time alone, this run first fails on 2027-02-03: www, expires"


def test_it_is_met_once_for_all_hosts_and_judged_again_without_a_network(theirs: Repository, server: Server) -> None:
    first = ran(theirs, PLAY.format(server.port), "--at=2026-12-01")
    assert told(first) == SHOWN, first
    met = len(server.met)
    assert met == CONVERSATIONS
    assert ENDS in first.said
    assert ENDS.removeprefix("note: ") in first.facts["notices"]
    (seen,) = load(first.directory / "here.json.gz").meeting().seen
    assert [one.error for one in seen] == [""]

    again = ran(theirs, PLAY.format(server.port), f"--replay={first.directory}", "--at=2027-01-30")
    assert told(again) == SHOWN, again
    third = theirs.pytest("tests", "-kshown", f"--replay={again.directory}", "--policy-as-run", "--at=2027-02-04")
    assert told(third) == dict.fromkeys(SHOWN, "failed"), third
    assert "by time alone" not in third.said
    assert len(server.met) == met


def test_what_is_observed_makes_no_run_fail(theirs: Repository, server: Server) -> None:
    observed = PLAY.format(server.port) + "  observe: [certificates.ours]\n"
    assert "by time alone" not in ran(theirs, observed, "--at=2026-12-01").said


def test_nobody_is_met_for_checks_that_need_nobody(theirs: Repository, server: Server) -> None:
    run = ran(theirs, PLAY.format(server.port) + "  off: {certificates.ours: not today}\n", "--at=2026-12-01")
    assert told(run) == dict.fromkeys(SHOWN, "skipped"), run
    assert not server.met
    assert not (run.directory / "here.json.gz").exists()


def test_a_file_knows_who_serves_it(theirs: Repository, server: Server) -> None:
    file = "    files: {/etc/www.pem: {served_by: www}, /etc/other.pem: {}}\n"
    theirs.write("policies/local.yml", PLAY.format(server.port) + file)
    run = theirs.pytest("tests", "-k", "served and first")
    assert told(run) == {"first//etc/www.pem": "passed", "first//etc/other.pem": "skipped"}, run


def everywhere(theirs: Repository, policy: str) -> tuple[str, Ran]:
    """What the check of all that see it says: it always fails, to say so."""
    theirs.write("policies/local.yml", policy)
    run = theirs.pytest("tests", "-k", "everywhere")
    (result,) = run.results
    assert (result.host, result.item, result.outcome) == (None, "www", "failed"), run
    assert "note: certificates.www" not in run.said
    return result.message, run


def test_what_is_seen_from_here_is_seen_once_however_many_hosts_name_it(theirs: Repository, server: Server) -> None:
    assert everywhere(theirs, PLAY.format(server.port))[0] == "www: ['here'] 1 {}"


def test_each_host_may_have_it_met_elsewhere(theirs: Repository, server: Server) -> None:
    with tls_servers.serving(Server().handle) as port:
        play = PLAY.format(f"{{{{ {port} if inventory_hostname == 'second' else {server.port} }}}}")
        assert everywhere(theirs, play)[0] == "www: ['here', 'here'] 2 {}"


def test_a_host_that_is_not_there_is_told_and_the_others_are_compared(theirs: Repository, server: Server) -> None:
    theirs.write("inventories/local.yml", TWO + "    gone: {ansible_host: 127.0.0.1, ansible_port: 1}\n")
    said, run = everywhere(theirs, PLAY.format(server.port) + "- hosts: gone\n  certificates: {www: {vantage: host}}\n")
    assert said.startswith("www: ['here'] 1 {'gone': 'unreachable: connect: "), run


def test_where_it_is_off_nobody_looks(theirs: Repository, server: Server) -> None:
    off = "- hosts: second\n  certificates: {www: {connect: '127.0.0.1:1'}}\n  off: {certificates.same: it moves}\n"
    assert everywhere(theirs, PLAY.format(server.port) + off)[0] == "www: ['here'] 1 {}"


def test_only_hosts_that_meet_it_themselves_are_asked_what_ours_compares(theirs: Repository, server: Server) -> None:
    theirs.write("policies/local.yml", PLAY.format(server.port))
    run = theirs.pytest("--pyargs", "shipworthy.tests", "-k", "test_same_certificate_everywhere")
    assert [(result.check, result.host, result.item) for result in run.results] == [("certificates.same", None, "www")]
    assert not list((run.directory / "snapshots").glob("*"))
    theirs.write("policies/local.yml", PLAY.format(server.port) + ON_SECOND)
    run = theirs.pytest("--pyargs", "shipworthy.tests", "-k", "test_same_certificate_everywhere")
    assert run.outcomes == {"certificates.same": "passed"}, run
    assert [path.name for path in (run.directory / "snapshots").glob("*")] == ["second.json.gz"]


def test_hosts_meet_it_themselves(theirs: Repository, server: Server) -> None:
    play = PLAY.format(server.port) + "- hosts: all\n  certificates: {www: {vantage: host}}\n"
    assert everywhere(theirs, play)[0] == "www: ['first', 'second'] 1 {}"
    first = ran(theirs, play, "--at=2026-12-01")
    assert told(first) == SHOWN, first
    assert ENDS in first.said
    assert len(server.met) == 2 * 2 * CONVERSATIONS
    again = ran(theirs, play, f"--replay={first.directory}", "--at=2026-12-01")
    assert told(again) == SHOWN, again
    assert not (again.directory / "here.json.gz").exists()
    assert len(server.met) == 2 * 2 * CONVERSATIONS
