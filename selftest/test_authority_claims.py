"""What is concluded of name servers: real ones, each wrong in its own way → the line that names it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from selftest.labs.possible import require_lab
from selftest.vantage.servers import apart
from selftest.vantage.zones import Signed
from shipworthy.errors import NotMeasured
from shipworthy.judging.authority import faults, lame, serials, unasked
from shipworthy.vantage.authority import Authority
from shipworthy.vantage.survey import survey

ROOT, ONE, TWO, TCPLESS, DEAD = "10.9.0.1", "10.9.1.1", "10.9.1.2", "10.9.1.3", "10.9.1.4"
SIX, UNROUTED = "fd09:1::1", "198.51.100.1"


def _ns(zone: str, *servers: str) -> str:
    return "".join(f"{zone} 300 IN NS {server}\n" for server in servers)


def _at(**addresses: str) -> str:
    return "".join(f"{name}.example 300 IN A {address}\n" for name, address in addresses.items())


OF_TWO = ("ns1.example.test.", "ns2.example.test.")
IN_TEST = (
    f"@ 300 IN NS ns\nns 300 IN A {ROOT}\n"
    + _ns("example", *OF_TWO)
    + _at(ns1=ONE, ns2=TWO)
    + f"ns1.example 300 IN AAAA {SIX}\n"
    + _ns("refused", *OF_TWO)
    + _ns("tcpless", "ns.tcpless.test.")
    + f"ns.tcpless 300 IN A {TCPLESS}\n"
    + _ns("half", "ns1.example.test.", "ns.half.test.")
    + f"ns.half 300 IN A {DEAD}\n"
    + _ns("dead", "ns.dead.test.")
    + f"ns.dead 300 IN A {DEAD}\n"
    + _ns("glue", "ns.glue.test.")
    + f"ns.glue 300 IN A {ONE}\n"
    + _ns("other", *OF_TWO)
    + _ns("alias", "ns1.example.test.", "a.example.test.")
    + _ns("nowhere", "ns1.example.test.", "no.example.test.")
    + _ns("far", "ns1.example.test.", "ns.far.test.")
    + f"ns.far 300 IN A {UNROUTED}\n"
)
EXAMPLE = _ns("@", *OF_TWO) + f"ns1 300 IN A {ONE}\nns1 300 IN AAAA {SIX}\nns2 300 IN A {TWO}\na 300 IN CNAME ns1\n"
ON_ONE = {
    "example.test.": EXAMPLE,
    "refused.test.": _ns("@", *OF_TWO),
    "half.test.": _ns("@", "ns1.example.test.", "ns.half.test.") + f"ns 300 IN A {DEAD}\n",
    "glue.test.": _ns("@", "ns") + f"ns 300 IN A {TWO}\n",
    "other.test.": _ns("@", "ns1.example.test.", "ns3.example.test."),
    "alias.test.": _ns("@", "ns1.example.test.", "a.example.test."),
    "nowhere.test.": _ns("@", "ns1.example.test.", "no.example.test."),
    "far.test.": _ns("@", "ns1.example.test.", "ns.far.test.") + f"ns 300 IN A {UNROUTED}\n",
}
ZONES = ["example", "refused", "tcpless", "half", "dead", "glue", "other", "alias", "nowhere", "far", "www.dead"]


def _texts(zones: dict[str, str], serial: int = 1) -> dict[str, str]:
    return {name: Signed(name, records, serial=serial, signed=False).text() for name, records in zones.items()}


@pytest.fixture(scope="module")
def surveyed() -> Iterator[Authority]:
    require_lab()
    with apart() as net:
        root = f"@ 300 IN NS ns.test.\ntest 300 IN NS ns.test.\nns.test 300 IN A {ROOT}\n"
        net.serve([ROOT], _texts({".": root, "test.": IN_TEST}))
        net.serve([ONE, SIX], _texts(ON_ONE, serial=7))
        also = {"glue.test.": ON_ONE["glue.test."], "other.test.": ON_ONE["other.test."]}
        net.serve([TWO], _texts({"example.test.": EXAMPLE, **also}, serial=6))
        tcpless = _ns("@", "ns") + f"ns 300 IN A {TCPLESS}\n"
        net.serve([TCPLESS], _texts({"tcpless.test.": tcpless}), tcp=False)
        net.address(DEAD)
        net.command("iptables", "-A", "INPUT", "-d", DEAD, "-j", "DROP")
        yield net.run(lambda: survey({f"{zone}.test": ("A",) for zone in ZONES}, [ROOT], wait=1.0))


@pytest.mark.parametrize(
    ("zone", "lines"),
    [
        ("example", []),
        ("refused", [f"refused.test: ns2.example.test ({TWO}): REFUSED"]),
        ("tcpless", [f"tcpless.test: ns.tcpless.test ({TCPLESS}): over TCP no answer within 1 s"]),
        ("half", [f"half.test: ns.half.test ({DEAD}): no answer within 1 s"]),
        ("dead", [f"dead.test: ns.dead.test ({DEAD}): no answer within 1 s"]),
        ("www.dead", [f"dead.test: ns.dead.test ({DEAD}): no answer within 1 s"]),
        ("far", []),
    ],
)
def test_lame_servers(surveyed: Authority, zone: str, lines: list[str]) -> None:
    told = [line.replace("no answer to 3 questions", "no answer within 1 s") for line in lame(surveyed, f"{zone}.test")]
    assert told == lines


@pytest.mark.parametrize(
    ("zone", "lines"),
    [
        ("example", []),
        ("refused", []),
        ("glue", [f"glue.test: test has ns.glue.test at {ONE}, it itself at {TWO}"]),
        (
            "other",
            [
                "other.test: test names ns2.example.test as a server of it, it itself does not",
                "other.test: it names ns3.example.test as a server of its own, test does not",
                "other.test: its name server ns3.example.test has no address",
            ],
        ),
        ("alias", ["alias.test: its name server a.example.test is an alias"]),
        ("nowhere", ["nowhere.test: its name server no.example.test has no address"]),
    ],
)
def test_what_parents_and_zones_say_differently(surveyed: Authority, zone: str, lines: list[str]) -> None:
    assert faults(surveyed, f"{zone}.test") == lines


def test_serials_by_server(surveyed: Authority) -> None:
    assert serials(surveyed, "example.test") == {
        f"ns1.example.test {ONE}": 7,
        f"ns1.example.test {SIX}": 7,
        f"ns2.example.test {TWO}": 6,
    }


def test_who_could_not_be_asked_is_not_lame_but_told(surveyed: Authority) -> None:
    assert unasked(surveyed, "far.test") == ["no route over IPv4 to 1 of 4 addresses"]
    assert unasked(surveyed, "example.test") == []


def test_nothing_is_said_of_what_was_not_come_to(surveyed: Authority) -> None:
    with pytest.raises(NotMeasured, match=r"dead\.test: none of its servers answers"):
        serials(surveyed, "www.dead.test")
    with pytest.raises(NotMeasured, match=r"example\.org was not surveyed in this run"):
        lame(surveyed, "example.org")
