"""How long certificates last, threshold by threshold: by their lives, and by who renews them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from selftest.certificates import (
    AT,
    DAY,
    HOUR,
    ISSUING,
    LEAF,
    NAME,
    ROOT,
    SECOND,
    V4,
    V6,
    Case,
    Ends,
    Place,
    World,
    at_one,
    concluded,
    everywhere,
    leaf,
    living,
    served,
    told,
)
from selftest.chains import pki
from selftest.judged import lines

WHO = f"www: CN={NAME}, at 10.0.0.1 and 1 more"
MANUAL = {"renewed_by": "manual"}


def left(life: float, span: timedelta, outcome: str, message: str = "", **said: Any) -> Case:
    return Case(outcome, f"{WHO}: {message}" if message else "", served(living(life, span), ISSUING), said)


def authority(span: timedelta, **fields: Any) -> World:
    issuer = pki.intermediate(ROOT, subject="CN=short", end=AT + span, **fields)
    return served(leaf(by=issuer), issuer)


THIRD, SIXTH = "warning below 30 % (limit at least 16.7 %)", "limit at least 16.7 %"
LEFT = {
    # 90 d, renewed by machines: a third is 30 d (29.97 d by 33.3 %), less 3 d; a sixth is 15.03 d
    "90 d, 27 d left": left(90, 27 * DAY, "passed"),
    "90 d, a bit less than a third and the slack": left(
        90, 26.9 * DAY, "warned", f"26.9 d of 90 d left, which is 29.9 %, {THIRD}"
    ),
    "90 d, a bit more than a sixth": left(
        90, 15.1 * DAY, "warned", f"15.1 d of 90 d left, which is 16.8 %, {THIRD}"
    ),
    "90 d, a sixth": left(90, 15 * DAY, "failed", f"15 d of 90 d left, which is 16.6667 %, {SIXTH}"),
    "90 d, an hour": left(90, HOUR, "failed", f"1 h of 90 d left, which is 0.0463 %, {SIXTH}"),
    "100 d is a machine's": left(100, 32 * DAY, "passed"),
    "100 d and a second is a person's": left(
        100 + 1 / 86400, 29 * DAY, "warned", "ends in 29 d, warning below 30 d (limit at least 14 d)"
    ),
    "without slack": left(90, 29 * DAY, "warned", "29 d of 90 d left, which is 32.2 %, warning below 33.3 % "
                          "(limit at least 16.7 %)", slack="0 d"),
    "a limit of one's own": left(90, 40 * DAY, "failed", "40 d of 90 d left, which is 44.4 %, limit at least 50 %",
                                 share_left={"warn_below": "60 %", "fail_below": "50 %"}),
    # 200 d, and what people renew: 30 d and 14 d
    "200 d, 30 d left": left(200, 30 * DAY, "passed"),
    "200 d, a second less": left(
        200, 30 * DAY - SECOND, "warned", "ends in 29.9999884 d, warning below 30 d (limit at least 14 d)"
    ),
    "200 d, 14 d left": left(200, 14 * DAY, "warned", "ends in 14 d, warning below 30 d (limit at least 14 d)"),
    "200 d, a second less than 14 d": left(
        200, 14 * DAY - SECOND, "failed", "ends in 13.9999884 d, limit at least 14 d"
    ),
    "90 d, renewed by hand, 30 d left": left(90, 30 * DAY, "passed", **MANUAL),
    "90 d, renewed by hand, 29 d left": left(
        90, 29 * DAY, "warned", "ends in 29 d, warning below 30 d (limit at least 14 d)", **MANUAL
    ),
    "90 d, renewed by hand, 13 d left": left(90, 13 * DAY, "failed", "ends in 13 d, limit at least 14 d", **MANUAL),
    "ACM is a machine": left(90, 27 * DAY, "passed", renewed_by="acm"),
    # 6 d: a third is 2 d, and 24 h instead of a sixth
    "6 d, a third": left(6, 48 * HOUR, "passed"),
    "6 d, less than a third": left(
        6, 47 * HOUR, "warned", "1.96 d of 6 d left, which is 32.6 %, warning below 33.3 % (limit at least 16.7 %)"
    ),
    "6 d, 24 h": left(
        6, 24 * HOUR, "warned", "1 d of 6 d left, which is 16.7 %, warning below 33.3 % (limit at least 16.7 %)"
    ),
    "6 d, a minute less than 24 h": left(
        6, 24 * HOUR - 60 * SECOND, "failed", "0.999 d of 6 d left, which is 16.6551 %, limit at least 16.6667 %"
    ),
    "160 h, 53 h": left(
        160 / 24, 53 * HOUR, "warned", "2.21 d of 6.67 d left, which is 33.1 %, "
        "warning below 33.3 % (limit at least 15 %)"
    ),
    "10 d, 24 h, which is less than a sixth": left(
        10, 24 * HOUR, "warned", "1 d of 10 d left, which is 10 %, warning below 33.3 % (limit at least 10 %)"
    ),
    "10 d, 23 h": left(10, 23 * HOUR, "failed", "23 h of 10 d left, which is 9.58 %, limit at least 10 %"),
    "10 d and a second, a sixth": left(
        10 + 1 / 86400, 24 * HOUR, "failed", "1 d of 10 d left, which is 10 %, limit at least 16.7 %"
    ),
    "12 d, whose third is the slack and more": left(12, 2.1 * DAY, "passed"),
    "1 d, of which 24 h can never be left": left(1, 9 * HOUR, "passed"),
    "1 d, less than a third": left(
        1, 7 * HOUR, "warned", "7 h of 1 d left, which is 29.2 %, warning below 33.3 % (limit at least 16.7 %)"
    ),
    "1 d, less than a sixth": left(1, 3 * HOUR, "failed", f"3 h of 1 d left, which is 12.5 %, {SIXTH}"),
    "expired": Case("skipped", "it is not in date, which is certificates.in_date's to tell", after=60 * DAY),
    "told another day": Case(
        "failed", f"{WHO}: 4.5 d of 61 d left, which is 7.38 %, {SIXTH}", after=32 * DAY
    ),
    "one of two": Case(
        "failed",
        f"www: CN={NAME}, only at fd00::1: 5 d of 90 d left, which is 5.56 %, {SIXTH}",
        at_one(Place((living(90, 5 * DAY), ISSUING))),
    ),
    # authorities: 180 d and 60 d
    "an intermediate, 180 d": Case("passed", "", authority(180 * DAY)),
    "an intermediate, a second less": Case(
        "warned",
        "www: CN=short, at 10.0.0.1 and 1 more: ends in 179.999988 d, warning below 180 d (limit at least 60 d)",
        authority(180 * DAY - SECOND),
    ),
    "an intermediate, 60 d": Case(
        "warned",
        "www: CN=short, at 10.0.0.1 and 1 more: ends in 60 d, warning below 180 d (limit at least 60 d)",
        authority(60 * DAY),
    ),
    "an intermediate, a second less than 60 d": Case(
        "failed",
        "www: CN=short, at 10.0.0.1 and 1 more: ends in 59.9999884 d, limit at least 60 d",
        authority(60 * DAY - SECOND),
    ),
    "an intermediate, by a limit of one's own": Case(
        "passed", "", authority(20 * DAY), policy={"authority_left": {"warn_below": "10 d", "fail_below": "5 d"}}
    ),
    "an intermediate that is not needed": Case(
        "passed",
        "",
        served(LEAF, pki.intermediate(ROOT, subject="CN=issuing,O=Example Trust", key=ISSUING.key, end=AT + DAY),
               ISSUING),
    ),
    "the root is not the server's": Case(
        "passed",
        "",
        World({NAME: dict.fromkeys((V4, V6), Place((leaf(by=(OLD := pki.root(subject="CN=old", end=AT + 50 * DAY))),
                                                    )))}, roots=(OLD,)),
    ),
    "the root is not known": Case("passed", "", World(roots=())),
    "none was shown": Case(
        "error",
        "no certificate was shown: refused; see certificates.handshake",
        everywhere(Place(error="refused", rung="tcp")),
    ),
    "one that cannot be read": Case(
        "error",
        "www: its certificate cannot be read, only at fd00::1; see certificates.trust",
        at_one(Place((b"0\x82\x01\x00garbage",))),
    ),
}  # fmt: skip
TABLES = {"test_certificate_outlives_its_limit": LEFT}


@pytest.mark.parametrize(("check", "case"), lines(TABLES))
def test_what_is_concluded(check: str, case: Case) -> None:
    told(check, case)


@pytest.mark.parametrize(
    ("case", "when"),
    [
        (left(90, 60 * DAY, "passed"), AT + 60 * DAY - 90 * DAY * 0.167),
        (left(200, 100 * DAY, "passed"), AT + 86 * DAY),
        (left(6, 5 * DAY, "passed"), AT + 4 * DAY),
        (left(90, 20 * DAY, "warned"), AT + 20 * DAY - 90 * DAY * 0.167),
        (Case("warned", "", authority(61 * DAY)), AT + DAY),
        (left(90, 60 * DAY, "passed", share_left={"fail_below": None}), None),
        (left(90, 10 * DAY, "failed"), None),
    ],
    ids=["90 d", "200 d", "6 d", "when it warns", "an intermediate", "no bound", "it fails"],
)
def test_it_is_told_when_too_little_will_be_left(case: Case, when: datetime | None) -> None:
    """The moment after which the same certificate fails is that which is told."""
    policy = {"authority_left": {"warn_below": "180 d", "fail_below": "60 d" if when == AT + DAY else None}}
    case = Case(case.outcome, "", case.world, case.said, policy)
    ends = Ends()
    assert concluded("test_certificate_outlives_its_limit", case, ends).outcome == case.outcome
    assert [what for _, what in ends.told] == ([] if when is None else ["www, too little is left until it expires"])
    if when is None:
        return
    told, _ = ends.told[0]
    assert abs(told - when) <= SECOND
    for span, outcome in ((told - AT - 2 * SECOND, {"passed", "warned"}), (told - AT + 2 * SECOND, {"failed"})):
        later = Case("", "", case.world, case.said, policy, after=span)
        assert concluded("test_certificate_outlives_its_limit", later).outcome in outcome


def test_a_warning_is_never_later_than_the_failure() -> None:
    """Of a life whose third is little more than the slack."""
    said = concluded("test_certificate_outlives_its_limit", left(12, 6 * DAY, "passed"))
    assert [(each.warn, each.fail) for each in said.measures] == [(16.7, 16.7), (180 * 86400, 60 * 86400)]
