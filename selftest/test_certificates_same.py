"""Whether the same certificate is shown everywhere: the odd one is named; of two that differ, both are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from selftest.certificates import (
    AT,
    BY_RSA,
    DAY,
    DUAL,
    ISSUING,
    ITEM,
    LEAF,
    NAME,
    NO_RSA,
    NOT_ASKED,
    ONLY_NEW,
    RSA_KEY,
    V4,
    V6,
    WELL,
    Case,
    Place,
    World,
    at_one,
    concluded,
    fingerprint,
    leaf,
    shown,
    told,
)
from selftest.chains.pki import Issued
from selftest.judged import lines
from shipworthy.plugin.sightings import Everywhere, Sighted

CHECK = "test_same_certificate_everywhere"
OLD = leaf(serial=0xB2, end=AT + 10 * DAY)
THIRD = leaf(serial=0xC3, end=AT + 20 * DAY)
BACKENDS: dict[str, Any] = {"backends": ["10.0.0.2:443"]}
REFUSED = Place(error="refused", rung="tcp")
HAS_OLD = Place((OLD, ISSUING))
OLD_RSA = leaf(serial=0xE5, end=AT + 10 * DAY, key=RSA_KEY)
HAS_OLD_RSA = Place(by_key=("RSA", (OLD_RSA, ISSUING)))
RSA_ALONE = Place((BY_RSA, ISSUING), by_key=("ECDSA", "alert handshake_failure"))


def short(issued: Issued) -> str:
    serial, until = {
        LEAF.der: ("A1", "2027-01-01"),
        OLD.der: ("B2", "2026-12-05"),
        THIRD.der: ("C3", "2026-12-15"),
        BY_RSA.der: ("D4", "2027-01-01"),
        OLD_RSA.der: ("E5", "2026-12-05"),
    }[issued.der]
    return f"serial {serial}, until {until}, SHA-256 {fingerprint(issued)[:8]}"


def sighted(*worlds: World, missing: dict[str, str] | None = None, **said: Any) -> dict[str, Any]:
    """Seen from several hosts, or from here alone."""
    names = ["here"] if len(worlds) == 1 else [f"db{number}" for number in range(1, len(worlds) + 1)]
    seen = [Sighted(name, shown(Case("", "", world, said))) for name, world in zip(names, worlds, strict=True)]
    return {"everywhere": Everywhere(seen, missing or {})}


def places(**by_address: Place) -> World:
    return World({NAME: {address.replace("a", "10.0.0."): place for address, place in by_address.items()}},
                 {"ipv6": "no address"})  # fmt: skip


def with_backend(place: Place) -> World:
    return World({NAME: {V4: WELL, V6: WELL}, "10.0.0.2": {"10.0.0.2": place}})


MANY = {f"a{number}": WELL for number in range(1, 9)}
SAME = {
    "the same": Case("passed", "", given=sighted(World())),
    "IPv6 is odd, and so is IPv4": Case(
        "failed",
        f"www: 10.0.0.1 shows {short(LEAF)}; fd00::1 shows {short(OLD)}",
        given=sighted(at_one(HAS_OLD)),
    ),
    "one of many": Case(
        "failed",
        f"www: 10.0.0.9 shows {short(OLD)}; the other 8 show {short(LEAF)}",
        given=sighted(places(**MANY, a9=HAS_OLD)),
    ),
    "two of many, each its own": Case(
        "failed",
        f"www: 10.0.0.9 shows {short(OLD)}; 10.0.0.10 shows {short(THIRD)}; the other 8 show {short(LEAF)}",
        given=sighted(places(**MANY, a9=HAS_OLD, a10=Place((THIRD, ISSUING)))),
    ),
    "four of many": Case(
        "failed",
        f"www: 10.0.0.10, 10.0.0.11, 10.0.0.12 and 1 more show {short(OLD)}; the other 8 show {short(LEAF)}",
        given=sighted(places(**MANY, **dict.fromkeys(("a10", "a11", "a12", "a13"), HAS_OLD))),
    ),
    "a backend": Case(
        "failed",
        f"www: 10.0.0.2 shows {short(OLD)}; the other 2 show {short(LEAF)}",
        said=BACKENDS,
        given=sighted(with_backend(HAS_OLD), **BACKENDS),
    ),
    "another name": Case(
        "failed",
        f"www: fd00::1 as api.example.com shows {short(OLD)}; the other 3 show {short(LEAF)}",
        given=sighted(
            at_one(Place(others={"api.example.com": (OLD, ISSUING)})), names=["api.example.com"]
        ),
    ),
    "no name": Case(
        "failed",
        f"www: fd00::1 without a name shows {short(OLD)}; the other 3 show {short(LEAF)}",
        given=sighted(at_one(Place(others={"": (OLD, ISSUING)})), without_name=True),
    ),
    "two and two": Case(
        "failed",
        f"www: 10.0.0.1, 10.0.0.2 show {short(LEAF)}; 10.0.0.3, 10.0.0.4 show {short(OLD)}",
        given=sighted(places(a1=WELL, a2=WELL, a3=HAS_OLD, a4=HAS_OLD)),
    ),
    "another intermediate is the same": Case(
        "passed", "", given=sighted(at_one(Place((LEAF, ISSUING, ISSUING))))
    ),
    "hosts see the same": Case("passed", "", given=sighted(World(), World(), World())),
    "a host sees another": Case(
        "failed",
        f"www: 10.0.0.1 (from db2), fd00::1 (from db2) show {short(OLD)}; the other 4 show {short(LEAF)}",
        given=sighted(World(), World({NAME: dict.fromkeys((V4, V6), HAS_OLD)}), World()),
    ),
    "two hosts, each its own": Case(
        "failed",
        f"www: 10.0.0.1 (from db1) shows {short(LEAF)}; 10.0.0.1 (from db2) shows {short(OLD)}",
        given=sighted(places(a1=WELL), places(a1=HAS_OLD)),
    ),
    "one place": Case("skipped", "fewer than two places show one", given=sighted(places(a1=WELL))),
    "one place, and the other is silent": Case(
        "skipped", "fewer than two places show one", given=sighted(at_one(REFUSED))
    ),
    "nobody shows one": Case(
        "error",
        "www: here: no certificate was shown: refused; see certificates.handshake",
        given=sighted(World({NAME: dict.fromkeys((V4, V6), REFUSED)})),
    ),
    "a host saw none": Case(
        "error",
        "www: db2: no certificate was shown: refused; see certificates.handshake",
        given=sighted(World(), World({NAME: dict.fromkeys((V4, V6), REFUSED)})),
    ),
    "a host said nothing": Case(
        "error", "www: db7: connect: refused", given=sighted(World(), missing={"db7": "connect: refused"})
    ),
    "a host said nothing, and another is odd": Case(
        "failed",
        f"www: 10.0.0.1 shows {short(LEAF)}; fd00::1 shows {short(OLD)}",
        given=sighted(at_one(HAS_OLD), missing={"db7": "connect: refused"}),
    ),
    "two kinds of keys": Case("passed", "", given=sighted(World({NAME: {V4: DUAL, V6: DUAL}}))),
    "two kinds, and RSA first": Case(
        "passed",
        "",
        given=sighted(places(a1=DUAL, a2=Place((BY_RSA, ISSUING), by_key=("ECDSA", (LEAF, ISSUING))))),
    ),
    "two kinds at one place": Case("skipped", "fewer than two places show one", given=sighted(places(a1=DUAL))),
    "two kinds, and names": Case("passed", "", given=sighted(places(a1=DUAL), without_name=True)),
    "one of them is odd": Case(
        "failed",
        f"www: 10.0.0.3 by RSA shows {short(OLD_RSA)}; the other 2 show {short(BY_RSA)}",
        given=sighted(places(a1=DUAL, a2=DUAL, a3=HAS_OLD_RSA)),
    ),
    "both are odd": Case(
        "failed",
        f"www: 10.0.0.3 shows {short(OLD)}; the other 2 show {short(LEAF)}; "
        f"10.0.0.3 by RSA shows {short(OLD_RSA)}; the other 2 show {short(BY_RSA)}",
        given=sighted(places(a1=DUAL, a2=DUAL, a3=replace(HAS_OLD_RSA, chain=(OLD, ISSUING)))),
    ),
    "one has no second one": Case(
        "failed",
        f"www: 10.0.0.3 shows no RSA certificate; the other 2 show {short(BY_RSA)}",
        given=sighted(places(a1=DUAL, a2=DUAL, a3=NO_RSA)),
    ),
    "one alone has a second one": Case(
        "failed",
        f"www: 10.0.0.1 by RSA shows {short(BY_RSA)}; the other 2 show no RSA certificate",
        given=sighted(places(a1=DUAL, a2=NO_RSA, a3=NO_RSA)),
    ),
    "from one host there is no second one": Case(
        "failed",
        f"www: 10.0.0.1 by RSA (from db1) shows {short(BY_RSA)}; 10.0.0.1 (from db2) shows no RSA certificate",
        given=sighted(places(a1=DUAL), places(a1=NO_RSA)),
    ),
    "TLS 1.3 alone may have a second one": Case("passed", "", given=sighted(places(a1=DUAL, a2=ONLY_NEW))),
    "there was no time to ask for a second one": Case("passed", "", given=sighted(places(a1=DUAL, a2=NOT_ASKED))),
    "each its own kind": Case(
        "failed",
        f"www: 10.0.0.1 shows {short(LEAF)}; 10.0.0.2 shows no ECDSA certificate; "
        f"10.0.0.2 shows {short(BY_RSA)}; 10.0.0.1 shows no RSA certificate",
        given=sighted(places(a1=NO_RSA, a2=RSA_ALONE)),
    ),
    "each its own kind, and nobody could be asked": Case(
        "failed",
        f"www: 10.0.0.1 shows {short(LEAF)}; 10.0.0.2 shows no ECDSA certificate; "
        f"10.0.0.2 shows {short(BY_RSA)}; 10.0.0.1 shows no RSA certificate",
        given=sighted(places(a1=ONLY_NEW, a2=Place((BY_RSA, ISSUING)))),
    ),
    "another kind without a name": Case(
        "failed",
        f"www: 10.0.0.1 without a name shows {short(BY_RSA)}; 10.0.0.1 shows no RSA certificate",
        given=sighted(places(a1=Place(others={"": (BY_RSA, ISSUING)})), without_name=True),
    ),
    "nobody": Case("skipped", "fewer than two places show one", given={"everywhere": Everywhere([], {})}),
    "what is stored is no base64": Case(
        "error", "a certificate as it is stored is no base64", given=sighted(at_one(Place(("~~~",))))
    ),
}  # fmt: skip


@pytest.mark.parametrize(("check", "case"), lines({CHECK: SAME}))
def test_what_is_concluded(check: str, case: Case) -> None:
    told(check, case)


def test_evidence_has_every_place() -> None:
    said = concluded(CHECK, SAME["one of many"])
    assert said.evidence[0].startswith(f"{short(LEAF)}: 10.0.0.1, 10.0.0.2, ")
    assert said.evidence[1] == f"{short(OLD)}: 10.0.0.9"


def test_one_that_cannot_be_read_is_told_by_its_fingerprint() -> None:
    said = concluded(CHECK, Case("", "", given=sighted(at_one(Place((b"0\x82\x01\x00garbage",))))))
    assert said.outcome == "failed"
    assert f"{ITEM}: 10.0.0.1 shows {short(LEAF)}; fd00::1 shows one that cannot be read, SHA-256 " in said.message
