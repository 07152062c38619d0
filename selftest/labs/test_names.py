"""A lab's own DNS: it resolves over both families and validates; what is broken in it is broken as it says."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lab import Lab, LabError, LabHost, lab
from lab.names import SERVERS, Estate, estate
from lab.names.servers import answers
from selftest.labs.test_faults import FAULTS, OF_NAMES, state

pytestmark = pytest.mark.xdist_group("names")


@pytest.fixture(scope="module")
def fleet() -> Iterator[Lab]:
    with lab(names=[*SERVERS, "web", "db"]) as made:
        yield made


@pytest.fixture(scope="module")
def dns(fleet: Lab) -> Iterator[Estate]:
    with estate(fleet) as made:
        yield made


@pytest.fixture(scope="module")
def web(dns: Estate) -> LabHost:
    return dns.lab[-2]


def status(host: LabHost, server: str, name: str, type: str = "A") -> str:
    """The answer's status and flags, `NOERROR qr rd ra ad`."""
    said = host.run(["kdig", "+timeout=1", "+retry=0", f"@{server}", name, type], check=False).stdout
    words = {
        word.strip().partition(": ")[0]: word.strip().partition(": ")[2] for word in said.replace("\n", ";").split(";")
    }
    return f"{words.get('status', 'silent')} {words.get('Flags', '')}".strip()


def test_every_host_looks_names_up_over_both_families(dns: Estate) -> None:
    for host in dns.lab:
        for family, address in (("ahostsv4", "10.77.9.80"), ("ahostsv6", "fd77::9:80")):
            assert address in host.run(["getent", family, "www.example.test"]).stdout
        for resolver in dns.resolvers:
            assert answers(host, "www.example.test", "AAAA", f"@{resolver}", "+tcp") == "fd77::9:80\n"


def test_so_does_here(dns: Estate) -> None:
    assert "fd77::9:80" in dns.lab.here.run(["getent", "ahosts", "www.example.test"]).stdout


def test_the_authoritative_servers_answer_here_over_both_families(dns: Estate) -> None:
    for server in dns.root_servers:
        for transport in ("+notcp", "+tcp"):
            asked = ["kdig", "+short", "+norec", transport, f"@{server}", "www.example.test", "A"]
            assert dns.lab.here.run(asked).stdout == "10.77.9.80\n"


@pytest.mark.parametrize(
    ("name", "type", "said"),
    [
        ("www.example.test", "A", "NOERROR qr rd ra ad"),
        ("nowhere.example.test", "A", "NXDOMAIN qr rd ra ad"),
        ("80.9.77.10.in-addr.arpa", "PTR", "NOERROR qr rd ra ad"),
        ("www.unsigned.test", "A", "NOERROR qr rd ra"),
        ("www.ending.test", "A", "NOERROR qr rd ra ad"),
        ("www.hashed.test", "A", "NOERROR qr rd ra ad"),
        ("www.hashed.test", "AAAA", "NOERROR qr rd ra ad"),
        ("nowhere.hashed.test", "A", "NXDOMAIN qr rd ra ad"),
        ("www.expired.test", "A", "SERVFAIL qr rd ra"),
        ("www.wrongds.test", "A", "SERVFAIL qr rd ra"),
        ("servfail6.example.test", "A", "NOERROR qr rd ra ad"),
        ("servfail6.example.test", "AAAA", "SERVFAIL qr rd ra"),
    ],
)
def test_resolvers_validate(dns: Estate, web: LabHost, name: str, type: str, said: str) -> None:
    assert {resolver: status(web, resolver, name, type) for resolver in dns.resolvers} == dict.fromkeys(
        dns.resolvers, said
    )


def test_answers_rotate(dns: Estate, web: LabHost) -> None:
    firsts = {answers(web, "even.example.test", "A", f"@{dns.resolvers[0]}").split()[0] for _ in range(30)}
    assert firsts == {"10.77.9.11", "10.77.9.12"}


@pytest.mark.parametrize("name", [name for name in FAULTS if name.startswith(OF_NAMES)])
def test_a_fault_is_there_and_then_gone(dns: Estate, name: str) -> None:
    db, web = dns.lab[-1], dns.lab[-2]
    before = state(db), state(web)
    with FAULTS[name](db) as injected:
        assert {turn.host for turn in injected.turns} <= {"db", ""}
        assert answers(web, "www.example.test") == "10.77.9.80\n"
    assert state(web) == before[1]
    for what, value in state(db).items():
        assert value == before[0][what], what


def test_it_is_built_in_a_moment_and_leaves_hosts_as_they_were() -> None:
    with lab(names=[*SERVERS, "web"]) as fleet:
        before = [state(host) for host in fleet]
        started = time.monotonic()
        with estate(fleet):
            seconds = time.monotonic() - started
        assert [state(host) for host in fleet] == before
    assert seconds < 3


def test_it_needs_its_hosts() -> None:
    with lab(names=["ns1", "web"]) as small, pytest.raises(LabError, match="ns2, resolver1, resolver2"), estate(small):
        pass


def test_it_needs_its_servers(fleet: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.names.build.COMMANDS", ("kdig", "no-such-server"))
    with pytest.raises(LabError, match=r"an estate needs no-such-server: see selftest/packages\.txt"), estate(fleet):
        pass
