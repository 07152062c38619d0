"""What is concluded of signatures: a survey of real servers, spoilt in one place → secure, insecure or bogus, and why.

.            signed with dnspython, NSEC       hashed.test  signed by knot, NSEC3
test         the same                          plain.test   not signed
example.test the same                          island.test  signed, without DS in its parent
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from selftest.labs.possible import require_lab
from selftest.vantage.servers import apart
from selftest.vantage.zones import Signed, ds
from shipworthy.errors import NotMeasured
from shipworthy.judging.dnssec import Chain, judge
from shipworthy.vantage.authority import Asked, Authority
from shipworthy.vantage.survey import survey

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
ROOT, SERVER, HASHED = "10.9.0.1", "10.9.1.1", "10.9.1.2"
NAMES = [
    "www.example.test",
    "alias.example.test",
    "away.example.test",
    "far.example.test",
    "gone.example.test",
    "any.wild.example.test",
    "www.hashed.test",
    "gone.hashed.test",
    "www.plain.test",
    "www.island.test",
]
RECORDS = (
    "@ 300 IN NS ns\nns 300 IN A 10.9.1.1\nwww 300 IN A 192.0.2.1\nalias 300 IN CNAME www\n"
    "away 300 IN CNAME www.plain.test.\nfar 300 IN CNAME www.hashed.test.\n*.wild 300 IN A 192.0.2.3\n"
)
PLAIN = f"@ 300 IN NS ns\nns 300 IN A {SERVER}\nwww 300 IN A 192.0.2.2\n"


def _delegated(name: str, address: str, ds: str = "") -> str:
    return f"{name} 300 IN NS ns.{name}\nns.{name} 300 IN A {address}\n" + (f"{name} 300 IN DS {ds}\n" if ds else "")


def _signed(name: str, records: str, *, signed: bool = True) -> tuple[str, str]:
    return name, Signed(name, records, signed=signed, begins=NOW - 7 * DAY, ends=NOW + 14 * DAY).text()


@pytest.fixture(scope="module")
def surveyed() -> Iterator[Authority]:
    require_lab()
    with apart() as net:
        soa = "@ 300 IN SOA ns hostmaster 1 14400 3600 604800 300\n"
        hashed = "$ORIGIN hashed.test.\n" + soa + PLAIN.replace(SERVER, HASHED)
        key = net.serve([HASHED], {"hashed.test.": hashed}, nsec3="5")["hashed.test."]
        own = f"@ 300 IN NS ns.test.\nns.test. 300 IN A {ROOT}\n"
        test = own + _delegated("example", SERVER, ds("example.test.")) + _delegated("hashed", HASHED, key)
        test += _delegated("plain", SERVER) + _delegated("island", SERVER)
        root = f"{own}test 300 IN NS ns.test.\ntest 300 IN DS {ds('test.')}\n"
        net.serve([ROOT], dict([_signed(".", root), _signed("test.", test)]))
        plain, island = _signed("plain.test.", PLAIN, signed=False), _signed("island.test.", PLAIN)
        net.serve([SERVER], dict([_signed("example.test.", RECORDS), plain, island]))
        yield net.run(lambda: survey(dict.fromkeys(NAMES, ("A", "AAAA")), [ROOT], wait=2.0))


Spoil = Callable[[Asked, dns.message.Message], None]


class Case(NamedTuple):
    name: str
    state: str
    reason: str = ""
    spoil: Spoil = lambda _asked, _message: None
    after: timedelta = timedelta(0)
    anchor: str = ds(".")


def sections(message: dns.message.Message) -> list[list[dns.rrset.RRset]]:
    return [message.answer, message.authority]


def without(covers: str, owner: str, kind: str = "RRSIG") -> Spoil:
    """Every signature of a record, or every record of a kind, is taken out."""

    def spoil(_asked: Asked, message: dns.message.Message) -> None:
        for section in sections(message):
            section[:] = [each for each in section if not _is(each, covers, owner, kind)]

    return spoil


def _is(rrset: dns.rrset.RRset, covers: str, owner: str, kind: str) -> bool:
    type = rrset.covers if kind == "RRSIG" else rrset.rdtype
    right = kind != "RRSIG" or rrset.rdtype == dns.rdatatype.RRSIG
    return right and type == dns.rdatatype.from_text(covers) and rrset.name.to_text(omit_final_dot=True) == owner


def changed(asked: Asked, message: dns.message.Message) -> None:
    """Somebody on the way puts another address there."""
    if asked.name == "www.example.test":
        other = dns.rrset.from_text(asked.name + ".", 300, "IN", "A", "203.0.113.66")
        message.answer[:] = [other if each.rdtype == dns.rdatatype.A else each for each in message.answer]


def without_keys(asked: Asked, message: dns.message.Message) -> None:
    if asked.type == "DNSKEY" and asked.name == "example.test":
        message.answer.clear()


def garbled(asked: Asked, message: dns.message.Message) -> None:
    if asked.name == "example.test" and asked.type == "DNSKEY":
        message.flags = 0


TEST_KEY = ds("test.").split()[0]
CASES = {
    "signed from the root down": Case("www.example.test", "secure"),
    "an alias in the same zone": Case("alias.example.test", "secure"),
    "an alias into another signed zone": Case("far.example.test", "secure"),
    "a name that is proved not to exist": Case("gone.example.test", "secure"),
    "a name by a wildcard": Case("any.wild.example.test", "secure"),
    "hashed denial": Case("www.hashed.test", "secure"),
    "a hashed name that is proved not to exist": Case("gone.hashed.test", "secure"),
    "no DS, and a proof of that": Case("www.plain.test", "insecure", "plain.test: test has no DS of it"),
    "signed without a DS": Case(
        "www.island.test", "insecure", "island.test: test has no DS of it, though it is signed"
    ),
    "an alias into a zone that is not signed": Case(
        "away.example.test", "insecure", "plain.test: test has no DS of it"
    ),
    "signatures that ended": Case(
        "www.example.test",
        "bogus",
        f"the root: . DNSKEY: the signature of key {ds('.').split()[0]} ended at {NOW + 14 * DAY:%Y-%m-%d %H:%M} UTC"
        f" ({ROOT})",
        after=20 * DAY,
    ),
    "signatures that have not begun": Case(
        "www.example.test",
        "bogus",
        f"the root: . DNSKEY: the signature of key {ds('.').split()[0]} begins at {NOW - 7 * DAY:%Y-%m-%d %H:%M} UTC"
        f" ({ROOT})",
        after=-10 * DAY,
    ),
    "another trust anchor": Case(
        "www.example.test",
        "bogus",
        f"the root: none of its keys is that of its DS (key {TEST_KEY})",
        anchor=ds("test."),
    ),
    "a record that was changed": Case("www.example.test", "bogus", "www.example.test A: the signature of key", changed),
    "a record without a signature": Case(
        "www.example.test",
        "bogus",
        f"example.test: www.example.test A is not signed (ns.example.test {SERVER})",
        without("A", "www.example.test"),
    ),
    "a zone without its keys": Case(
        "www.example.test",
        "bogus",
        f"example.test: ns.example.test {SERVER} has no DNSKEY, though its parent has a DS",
        without_keys,
    ),
    "a DS that was taken away": Case(
        "www.example.test",
        "bogus",
        f"test: ns.test {ROOT} says without proof that example.test has no DS",
        without("DS", "example.test", "DS"),
    ),
    "no DS, and no proof of that": Case(
        "www.plain.test",
        "bogus",
        f"test: ns.test {ROOT} says without proof that plain.test has no DS",
        without("NSEC", "plain.test", "NSEC"),
    ),
}


def spoilt(authority: Authority, spoil: Spoil) -> Authority:
    def each(asked: Asked) -> Asked:
        if not asked.message:
            return asked
        message = dns.message.from_wire(asked.wire)
        spoil(asked, message)
        return asked._replace(message=base64.b64encode(message.to_wire()).decode())

    zones = {
        name: zone._replace(from_parent=[*map(each, zone.from_parent)], asked=[*map(each, zone.asked)])
        for name, zone in authority.zones.items()
    }
    return authority._replace(zones=zones)


def judged(authority: Authority, case: Case) -> Chain:
    return judge(spoilt(authority, case.spoil), case.name, [case.anchor], NOW + case.after)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_chains(surveyed: Authority, case: Case) -> None:
    chain = judged(surveyed, case)
    assert (chain.state, case.reason in chain.reason, bool(chain.reason)) == (case.state, True, bool(case.reason)), (
        chain
    )


def test_every_signature_on_the_way_is_told(surveyed: Authority) -> None:
    chain = judged(surveyed, CASES["signed from the root down"])
    assert {(each.zone, each.covers) for each in chain.signatures} >= {
        (".", ". DNSKEY"),
        (".", "test DS"),
        ("test", "example.test DS"),
        ("example.test", "example.test SOA"),
        ("example.test", "www.example.test A"),
        ("example.test", "www.example.test NSEC"),
    }
    assert {(each.inception, each.expiration) for each in chain.signatures} == {(NOW - 7 * DAY, NOW + 14 * DAY)}


@pytest.mark.parametrize(
    ("type", "owner", "reason"),
    [
        ("DNSKEY", "example.test", f"example.test DNSKEY is not signed (ns.example.test {SERVER})"),
        ("A", "www.example.test", f"example.test: www.example.test A is not signed (ns.example.test {SERVER})"),
        ("DNSKEY", ".", f"the root: . DNSKEY is not signed ({ROOT})"),
    ],
)
def test_a_zone_is_named_once(surveyed: Authority, type: str, owner: str, reason: str) -> None:
    assert judged(surveyed, Case("www.example.test", "bogus", spoil=without(type, owner))).reason == reason


def test_iterations_are_told_by_zone(surveyed: Authority) -> None:
    assert judged(surveyed, CASES["hashed denial"]).iterations == {"hashed.test": 5}
    assert judged(surveyed, CASES["signed from the root down"]).iterations == {}


def test_nothing_is_concluded_of_silence(surveyed: Authority) -> None:
    silent = spoilt(surveyed, garbled)
    with pytest.raises(NotMeasured, match=r"example\.test: none of its servers was heard to say its DNSKEY"):
        judge(silent, "www.example.test", [ds(".")], NOW)
    with pytest.raises(NotMeasured, match=r"other\.test was not surveyed in this run"):
        judge(surveyed, "other.test", [ds(".")], NOW)
    stopped = surveyed._replace(stopped={"dead.test": "test: none of its servers answers"})
    with pytest.raises(NotMeasured, match="test: none of its servers answers"):
        judge(stopped, "dead.test", [ds(".")], NOW)
