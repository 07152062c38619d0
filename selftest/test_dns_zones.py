"""What the checks of a zone's upkeep conclude: its TTLs, its datagrams, its timers and networks → outcome, message.

The world is that of `test_dns_once`: example.test has one server, at an address of each family.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import dns.flags
import dns.message
import pytest

from selftest.judged import lines
from selftest.test_dns_once import NAME, NOT_SURVEYED, STOPPED, V4, V6, Case, World, mute, told
from shipworthy.vantage.authority import Asked

SERVER, ZONE = "ns.example.test", "example.test"
Change = Callable[[Any], object]


def changed(message: str, change: Change) -> str:
    """The answer, otherwise."""
    parsed = dns.message.from_wire(base64.b64decode(message))
    change(parsed)
    return base64.b64encode(parsed.to_wire()).decode()


def of(name: str, change: Change, address: str = "") -> World:
    """What the servers of example.test say over UDP to questions for `name` is otherwise; or one of them alone."""

    def edit(asked: Asked) -> Asked:
        is_it = asked[3] == name and asked.server == SERVER and asked.transport == "udp"
        if not is_it or address not in {"", asked.address}:
            return asked
        return asked._replace(message=changed(asked.message, change))

    return World(edit)


def ttl(seconds: int) -> Change:
    def change(message: Any) -> None:
        for each in message.answer:
            each.ttl = seconds

    return change


def emptied(message: Any) -> None:
    message.answer = []


def without_authority(message: Any) -> None:
    message.flags &= ~dns.flags.AA


def advertising(payload: int) -> Change:
    return lambda message: message.use_edns(0, payload=payload)


def without_edns(message: Any) -> None:
    message.use_edns(False)


def both(*worlds: World) -> World:
    def edit(asked: Asked) -> Asked | None:
        kept: Asked | None = asked
        for world in worlds:
            kept = world.edit(kept) if kept else None
        return kept

    return World(edit)


def truncated(message: Any) -> None:
    message.flags |= dns.flags.TC
    message.answer = []


def over_tcp(message: str, error: str = "") -> World:
    """The zone's answers over TCP are otherwise."""

    def edit(asked: Asked) -> Asked:
        is_it = asked[3] == ZONE and asked.server == SERVER and asked.transport == "tcp"
        return asked._replace(message=message, error=error) if is_it else asked

    return World(edit)


def cut_over_tcp(asked: Asked) -> Asked:
    if asked[3] != ZONE or asked.server != SERVER or asked.type != "SOA":
        return asked
    return asked._replace(message=changed(asked.message, truncated))


CUT = of(ZONE, truncated)
TTL = {
    "five minutes": Case("passed", ""),
    "five seconds": Case("warned", f"{NAME} A: shortest TTL 5 s, warning below 30 s", of(NAME, ttl(5))),
    "five seconds, of one server": Case(
        "warned", f"{NAME} A: shortest TTL 5 s, warning below 30 s", of(NAME, ttl(5), V6)
    ),
    "at the bound": Case("passed", "", of(NAME, ttl(30))),
    "a day": Case("passed", "", of(NAME, ttl(86400))),
    "a week": Case("warned", f"{NAME} A: longest TTL 7 d, warning above 1 d", of(NAME, ttl(7 * 86400))),
    "a week, where a policy forbids it": Case(
        "failed",
        f"{NAME} A: longest TTL 7 d, limit 2 d",
        of(NAME, ttl(7 * 86400)),
        policy={"ttl_long": {"fail_above": "2 d"}},
    ),
    "what makes the zone may last": Case("passed", "", of(ZONE, ttl(7 * 86400))),
    "no authority, and so no TTL of theirs": Case(
        "error", f"{NAME}: none of the servers of {ZONE} answers for it", of(NAME, without_authority)
    ),
    "one without authority is passed over": Case(
        "passed", "", both(of(NAME, ttl(5), V6), of(NAME, without_authority, V6))
    ),
    "nothing there": Case("skipped", "it has no records", of(NAME, emptied)),
    "the walk did not come there": Case("error", "example.test: none of its servers answers", STOPPED),
    "not measured": Case("error", "what is measured from here did not end in time", here=NOT_SURVEYED),
}
EDNS = {
    "1232": Case("passed", "", of(ZONE, advertising(1232))),
    "without EDNS": Case("passed", "", of(ZONE, without_edns)),
    "4096": Case(
        "warned",
        f"{ZONE}: {SERVER} ({V6}): UDP payload in bytes 4096, warning above 1232",
        of(ZONE, advertising(4096), V6),
    ),
    "truncated, and whole over TCP": Case("passed", "", CUT),
    "truncated, and silent over TCP": Case(
        "failed",
        f"{SERVER} ({V4}): {ZONE} SOA is truncated over UDP, and over TCP refused",
        both(of(ZONE, truncated, V4), over_tcp("", "refused")),
    ),
    "truncated, and over TCP too": Case(
        "failed",
        f"{SERVER} ({V4}): {ZONE} SOA is truncated over UDP, and over TCP too; "
        f"{SERVER} ({V6}): {ZONE} SOA is truncated over UDP, and over TCP too",
        World(cut_over_tcp),
    ),
    "truncated, and garbled over TCP": Case(
        "failed",
        f"{SERVER} ({V4}): {ZONE} SOA is truncated over UDP, and over TCP is what cannot be understood",
        both(of(ZONE, truncated, V4), over_tcp("AAAA")),
    ),
    "truncated, and TCP was not asked": Case("passed", "", both(CUT, over_tcp("", "not asked: the time was up"))),
    "silent over TCP, and nothing truncated": Case("passed", "", over_tcp("", "refused")),
    "nobody answers": Case("error", f"{ZONE}: none of its servers answers over UDP", World(mute)),
    "the walk did not come there": Case("error", "example.test: none of its servers answers", STOPPED),
    "not measured": Case("error", "what is measured from here did not end in time", here=NOT_SURVEYED),
}
KEPT = {
    "told only": Case("passed", ""),
    "expires too soon": Case(
        "failed",
        f"{ZONE}: SOA expire 7 d, limit at least 14 d",
        policy={"soa_expire": {"fail_below": "14 d"}},
    ),
    "one network of each family": Case(
        "warned",
        "; ".join(f"{ZONE}: {each} networks of its servers 1, warning below 2" for each in ("IPv4", "IPv6")),
        policy={"server_networks": {"warn_below": "2"}},
    ),
    "remembers for too long": Case(
        "failed", f"{ZONE}: SOA minimum 5 min, limit 1 min", policy={"soa_minimum": {"fail_above": "1 min"}}
    ),
    "no SOA": Case("error", f"{ZONE}: none of its servers tells its SOA", World(mute)),
    "the walk did not come there": Case("error", "example.test: none of its servers answers", STOPPED),
    "not measured": Case("error", "what is measured from here did not end in time", here=NOT_SURVEYED),
}
TABLES = {
    "test_ttls_are_sensible": TTL,
    "test_large_answers_arrive": EDNS,
    "test_zone_is_kept_as_declared": KEPT,
}

TOLD = {
    "dns.server_networks": 1, "dns.soa_refresh": 14400, "dns.soa_retry": 3600, "dns.soa_expire": 604800,
    "dns.soa_minimum": 300,
}  # fmt: skip


@pytest.mark.parametrize(("check", "case"), lines(TABLES))
def test_what_is_concluded(check: str, case: Case) -> None:
    said = told(check, case)
    assert (said.outcome, said.message) == (case.outcome, case.message or said.message), said


def test_what_is_not_bounded_is_told_all_the_same() -> None:
    said = told("test_zone_is_kept_as_declared", Case("passed", ""))
    assert {each.name: each.value for each in said.measures} == TOLD
