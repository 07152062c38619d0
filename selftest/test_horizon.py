"""When a run fails by time alone: the earliest end that a claim has looked at which holds, and counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from shipworthy.plugin.horizon import Horizon
from shipworthy.results import Outcome, Result

RESULT = Result("", "", "", "certificates.in_date", "", "certificates", None, "www", "passed", "")
FEBRUARY, MARCH = (datetime(2027, month, 3, 23, 30, tzinfo=UTC) for month in (2, 3))


def told(*checks: tuple[list[tuple[datetime, str]], Result], failed: bool = False, observed: bool = False) -> list[str]:
    horizon = Horizon()
    for ends, result in checks:
        for when, what in ends:
            horizon.fails(when, what)
        horizon.settle(result, observed=observed)
    return horizon.notices(failed=failed)


def test_the_earliest_end_of_all_is_told() -> None:
    line = "by time alone, this run first fails on 2027-02-03: www, expires"
    ends = [(MARCH, "mail, expires"), (FEBRUARY, "www, expires")]
    assert told((ends, RESULT)) == [line]
    assert told(*(([end], RESULT) for end in ends)) == [line]


def test_what_ends_on_the_same_day_is_counted() -> None:
    ends = [
        (FEBRUARY, "www, expires"),
        (FEBRUARY - timedelta(hours=23), "shop, expires"),
        (FEBRUARY, "/etc/a.pem, expires"),
        (FEBRUARY + timedelta(hours=1), "next, expires"),
    ]
    line = "by time alone, this run first fails on 2027-02-03: shop, expires; and 2 more"
    assert told((ends, RESULT)) == [line]
    assert told(*(([end], RESULT) for end in ends for _ in ("web1", "web2"))) == [line]
    assert told((ends[:2], replace(RESULT, outcome="failed")), (ends[2:], RESULT))[0].endswith(": /etc/a.pem, expires")


def test_the_earliest_end_of_one_thing_is_its_own() -> None:
    ends = [(MARCH, "www, expires"), (FEBRUARY, "www, expires"), (MARCH, "www, expires")]
    assert told(*(([end], RESULT) for end in ends)) == [
        "by time alone, this run first fails on 2027-02-03: www, expires"
    ]


def test_where_nothing_ends_nothing_is_told() -> None:
    assert told() == told(([], RESULT)) == []


@pytest.mark.parametrize("outcome", ["failed", "error", "skipped", "waived"])
def test_a_claim_that_does_not_hold_ends_nothing(outcome: Outcome) -> None:
    ended = ([(FEBRUARY, "www, expires")], replace(RESULT, outcome=outcome))
    assert told(ended) == []
    assert told(ended, ([(MARCH, "mail, expires")], RESULT))[0].endswith("2027-03-03: mail, expires")


def test_a_warned_one_does_and_an_observed_one_does_not() -> None:
    ends = [(FEBRUARY, "www, expires")]
    assert told((ends, replace(RESULT, outcome="warned")))
    assert not told((ends, RESULT), observed=True)


def test_a_run_that_fails_already_fails_next() -> None:
    assert told(([(MARCH, "mail, expires")], RESULT), failed=True) == [
        "by time alone, this run next fails on 2027-03-03: mail, expires"
    ]


def test_the_day_is_that_of_utc() -> None:
    east = datetime(2027, 2, 4, 1, 30, tzinfo=timezone(timedelta(hours=3)))
    assert told(([(east, "www, expires")], RESULT))[0].endswith("2027-02-03: www, expires")
