"""What the checks of the authoritative side conclude: what servers say of zones, a policy, a time → outcome, message.

.            10.0.0.1  signed        insecure.test  not signed: its parent proves that it has no DS
test         10.0.0.1  signed        www.example.test, www.insecure.test
example.test 10.0.0.2, fd00::2  signed
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zone
import pytest

from selftest import judged
from selftest.judged import lines
from selftest.vantage.zones import NOW, Signed, ds
from shipworthy.checks import Item
from shipworthy.errors import NotMeasured
from shipworthy.here import Here
from shipworthy.judging import dnssec
from shipworthy.outcome import decide
from shipworthy.vantage.authority import Asked, Authority, Zone

NAME, PLAIN = "www.example.test", "www.insecure.test"
ROOT, V4, V6 = "10.0.0.1", "10.0.0.2", "fd00::2"
SILENT = "no answer within 2 s"
DAY = timedelta(days=1)
ADDRESSES = {".": [ROOT], "test": [ROOT], "example.test": [V4, V6], "insecure.test": [V4]}
PARENT = {".": "", "test": ".", "example.test": "test", "insecure.test": "test"}
RECORDS = {
    ".": f"@ 300 IN NS ns.test.\ntest 300 IN NS ns.test.\nns.test 300 IN A {ROOT}\ntest 300 IN DS {ds('test.')}\n",
    "test": (
        f"@ 300 IN NS ns\nns 300 IN A {ROOT}\n"
        f"example 300 IN NS ns.example\nns.example 300 IN A {V4}\nns.example 300 IN AAAA {V6}\n"
        f"example 300 IN DS {ds('example.test.')}\ninsecure 300 IN NS ns.insecure\nns.insecure 300 IN A {V4}\n"
    ),
    "example.test": f"@ 300 IN NS ns\nns 300 IN A {V4}\nns 300 IN AAAA {V6}\nwww 300 IN A 192.0.2.1\n",
    "insecure.test": f"@ 300 IN NS ns\nns 300 IN A {V4}\nwww 300 IN A 192.0.2.1\n",
}
Edit = Callable[[Asked], Asked | None]


@cache
def zone_of(name: str, ends: timedelta, begins: timedelta, signed: bool) -> dns.zone.Zone:
    origin = "." if name == "." else f"{name}."
    return Signed(origin, RECORDS[name], signed=signed, begins=NOW - begins, ends=NOW + ends).zone()


def said(zone: dns.zone.Zone, name: str, type: str, *, referral: bool = False) -> str:
    """What a server of the zone answers, in base64; with the signatures of it, and the proof where there is nothing."""
    asked = dns.message.make_query(name, type, want_dnssec=True, id=0)
    message = dns.message.make_response(asked, our_payload=1232)
    owner = dns.name.from_text(name)
    wanted = dns.rdatatype.from_text(type)
    if not referral:
        message.flags |= dns.flags.AA
    section = message.authority if referral else message.answer
    if not add(section, zone, owner, wanted, signed=not referral):
        assert zone.origin is not None
        add(message.authority, zone, zone.origin, dns.rdatatype.SOA)
        add(message.authority, zone, owner, dns.rdatatype.NSEC)
    if referral:
        for server in section[0]:
            for each in (dns.rdatatype.A, dns.rdatatype.AAAA):
                add(message.additional, zone, server.target, each, signed=False)
    return base64.b64encode(message.to_wire()).decode()


def add(
    section: list[dns.rrset.RRset], zone: dns.zone.Zone, owner: dns.name.Name, type: Any, *, signed: bool = True
) -> bool:
    found = zone.get_rdataset(owner, type)
    if found is None:
        return False
    section.append(dns.rrset.from_rdata_list(owner, found.ttl, list(found)))
    signatures = zone.get_rdataset(owner, dns.rdatatype.RRSIG, type) if signed else None
    if signatures:
        section.append(dns.rrset.from_rdata_list(owner, signatures.ttl, list(signatures)))
    return True


@dataclass(frozen=True)
class World:
    """What is otherwise than it should be."""

    edit: Edit = lambda asked: asked
    """Of each question to a server; None: it was not put."""
    ends: Mapping[str, timedelta] = field(default_factory=dict)
    """When a zone's signatures end, from now; 14 d."""
    begins: Mapping[str, timedelta] = field(default_factory=dict)
    stopped: Mapping[str, str] = field(default_factory=dict)
    unsigned: tuple[str, ...] = ("insecure.test",)


def surveyed(world: World, name: str) -> Here:
    last = name.partition(".")[2]
    zones, at = {}, last
    while at:
        zones[at] = surveyed_zone(world, at, name if at == last else "")
        at = PARENT[at]
    found = {} if world.stopped else {name: last}
    return Here(surveyed=Authority(zones, found, dict(world.stopped), {}))


def surveyed_zone(world: World, name: str, of: str) -> Zone:
    own, parent = zone(world, name), PARENT[name]
    server = "" if name == "." else f"ns.{name}"
    asked = [*questions(own, name, server, of)]
    from_parent = []
    if parent:
        above = zone(world, parent)
        for type in ("NS", "DS"):
            message = said(above, name, type, referral=type == "NS")
            from_parent.append(Asked(f"ns.{parent}".strip("."), ROOT, "udp", name, type, 0.001, message, ""))
    kept = [edited for each in asked if (edited := world.edit(each)) is not None]
    return Zone(name, parent, {server or "ns.test": ADDRESSES[name]}, from_parent, kept)


def zone(world: World, name: str) -> dns.zone.Zone:
    return zone_of(
        name, world.ends.get(name, 14 * DAY), world.begins.get(name, 7 * DAY), signed=name not in world.unsigned
    )


def questions(own: dns.zone.Zone, name: str, server: str, of: str) -> Iterator[Asked]:
    for address in ADDRESSES[name]:
        for transport in ("udp", "tcp"):
            yield Asked(server, address, transport, name, "SOA", 0.001, said(own, name, "SOA"), "")
        for type in ("NS", "DNSKEY"):
            yield Asked(server, address, "udp", name, type, 0.001, said(own, name, type), "")
        if of:
            yield Asked(server, address, "udp", of, "A", 0.001, said(own, of, "A"), "")


def unanswered(address: str, error: str = SILENT, transport: str = "") -> World:
    def edit(asked: Asked) -> Asked:
        is_it = asked.address == address and transport in {"", asked.transport}
        return asked._replace(message="", error=error) if is_it else asked

    return World(edit)


def old(asked: Asked) -> Asked:
    """The server at an IPv6 address has an older version of its zone."""
    if asked.address != V6 or asked.type != "SOA":
        return asked
    before = Signed("example.test.", RECORDS["example.test"], serial=0, begins=NOW - DAY, ends=NOW + DAY).zone()
    return asked._replace(message=said(before, asked.name, "SOA"))


def silent(asked: Asked) -> Asked:
    """No server of the name's zone answers."""
    return asked._replace(message="", error=SILENT) if asked.server == "ns.example.test" else asked


def mute(asked: Asked) -> Asked | None:
    """Nobody tells a serial."""
    return asked._replace(message="", error=SILENT) if asked.type == "SOA" else asked


@dataclass(frozen=True)
class Case:
    outcome: str
    message: str
    world: World = World()
    name: str = NAME
    said: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    after: timedelta = timedelta(0)
    here: Here | None = None


NOT_SURVEYED = Here(error="what is measured from here did not end in time")
INTERNET = {"root_servers": None}
STOPPED = World(silent, stopped={NAME: "example.test: none of its servers answers"})
SERIALS = {
    "the same": Case("passed", ""),
    "one is older": Case(
        "failed",
        f"example.test: its servers have different serials: 0 (ns.example.test {V6}); 1 (ns.example.test {V4})",
        World(old),
    ),
    "one is silent, which is another check's": Case("passed", "", unanswered(V6)),
    "nobody tells it": Case("error", "example.test: none of its servers tells its serial", World(mute)),
    "the walk did not come there": Case("error", "example.test: none of its servers answers", STOPPED),
    "not measured": Case("error", "what is measured from here did not end in time", here=NOT_SURVEYED),
}
DELEGATION = {
    "well": Case("passed", ""),
    "silent": Case("failed", f"example.test: ns.example.test ({V6}): {SILENT}", unanswered(V6)),
    "silent over TCP": Case(
        "failed", f"example.test: ns.example.test ({V4}): over TCP refused", unanswered(V4, "refused", "tcp")
    ),
    "no route from here": Case(
        "error", "from here, no route over IPv6 to 1 of 3 addresses", unanswered(V6, "no route")
    ),
    "the walk did not come there": Case(
        "failed",
        f"example.test: ns.example.test ({V4}): {SILENT}; example.test: ns.example.test ({V6}): {SILENT}",
        STOPPED,
    ),
    "the walk broke off, and nobody is to blame": Case(
        "error", "the time was up", World(stopped={NAME: "the time was up"})
    ),
    "not measured": Case("error", "what is measured from here did not end in time", here=NOT_SURVEYED),
}
DNSSEC = {
    "secure": Case("passed", ""),
    "secure, as it must be": Case("passed", "", said={"dnssec": True}),
    "insecure": Case("passed", "", name=PLAIN),
    "insecure, and must be signed": Case(
        "failed",
        f"{PLAIN} must be signed: insecure.test: test has no DS of it",
        name=PLAIN,
        said={"dnssec": True},
    ),
    "insecure, as it may be": Case("passed", "", name=PLAIN, said={"dnssec": False}),
    "another anchor": Case(
        "failed",
        f"{NAME}: the root: none of its keys is that of its DS (key {ds('other.').split()[0]})",
        policy={"trust_anchors": [ds("other.")]},
    ),
    "ended": Case("failed", "", World(ends={"example.test": -DAY})),  # the chain says what ended, and when
    "the walk did not come there": Case("error", "example.test: none of its servers answers", STOPPED),
    "not measured": Case("error", "what is measured from here did not end in time", here=NOT_SURVEYED),
}
SIGNATURES = {
    "for two weeks": Case("passed", ""),
    "two days": Case(
        "warned",
        "example.test DNSKEY: until a signature ends 2 d, warning below 3 d (limit at least 12 h)",
        World(ends={"example.test": 2 * DAY}),
    ),
    "six hours": Case(
        "failed",
        "example.test DNSKEY: until a signature ends 6 h, limit at least 12 h",
        World(ends={"example.test": DAY / 4}),
    ),
    "ended": Case(
        "failed",
        "example.test DNSKEY: a signature ended 1 d ago, limit at least 12 h",
        World(ends={"example.test": -DAY}),
    ),
    "they will end": Case(
        "failed", "test DNSKEY: until a signature ends 6 h, limit at least 12 h", after=14 * DAY - DAY / 4,
        world=World(ends={".": 20 * DAY}),
    ),
    "for a year": Case(
        "warned",
        ". DNSKEY: life of a signature 365 d, warning above 180 d",
        World(ends={".": 300 * DAY}, begins={".": 65 * DAY}),
    ),
    "those of the Internet's root and its top-level domains are theirs to renew": Case(
        "passed", "", World(ends={".": DAY / 4, "test": DAY / 4}, begins={".": 300 * DAY}), policy=INTERNET
    ),
    "those of a private root, and of a domain below it, are not": Case(
        "failed", "test DNSKEY: until a signature ends 6 h, limit at least 12 h", World(ends={"test": DAY / 4})
    ),
    "those of the name's own zone are its own, below the Internet's root too": Case(
        "failed",
        "example.test DNSKEY: until a signature ends 6 h, limit at least 12 h",
        World(ends={"example.test": DAY / 4, ".": DAY / 8}),
        policy=INTERNET,
    ),
    "nothing but theirs": Case(
        "skipped", "nothing on the way to it is signed below its top-level domain", name=PLAIN, policy=INTERNET
    ),
    "of a name that is not signed, a private root's": Case(
        "failed",
        "test DNSKEY: until a signature ends 6 h, limit at least 12 h",
        World(ends={"test": DAY / 4}),
        name=PLAIN,
    ),
    "nothing is signed": Case("skipped", "nothing on the way to it is signed", World(unsigned=tuple(RECORDS))),
    "not measured": Case("error", "what is measured from here did not end in time", here=NOT_SURVEYED),
}  # fmt: skip
TABLES = {
    "test_authoritative_servers_agree": SERIALS,
    "test_delegation_is_not_lame": DELEGATION,
    "test_dnssec_is_valid": DNSSEC,
    "test_signatures_outlive_their_limit": SIGNATURES,
}
OF_CHAINS = {"test_dnssec_is_valid", "test_signatures_outlive_their_limit"}


def told(check: str, case: Case) -> Any:
    private = {"trust_anchors": [ds(".")], "root_servers": [ROOT], **case.policy}
    policy = judged.policy(dns={case.name: {"authoritative": True, **case.said}, **private})
    item, now = Item(case.name, policy.dns.names[case.name]), NOW + case.after
    here = case.here or surveyed(case.world, case.name)
    given: dict[str, Any] = {"here": here, "item": item, "policy": policy, "now": now}
    if check in OF_CHAINS:
        try:
            given["chain"] = dnssec.judge(here.authority, case.name, policy.dns.trust_anchors, now)
        except NotMeasured as error:  # as the fixture does
            return decide(error, [], today=now.date())
    return judged.judge("dns", check, **given)


@pytest.mark.parametrize(("check", "case"), lines(TABLES))
def test_what_is_concluded(check: str, case: Case) -> None:
    said = told(check, case)
    assert (said.outcome, said.message) == (case.outcome, case.message or said.message), said
