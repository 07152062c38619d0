"""Waivers: dated, owned, bounded; and said when they are of no use."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from selftest.policy import fleet
from shipworthy.policy import Waiver
from shipworthy.policy.language.waivers import notices
from shipworthy.results import Measure

MIB = 2**20
LAST_DAY = date(2027, 1, 31)
WAIVER = Waiver("memory.swap_used", ("db1",), LAST_DAY, 512 * MIB, "storage", "platform", "OPS-123", "prod.yml:30")


def measure(value: float | None, unit: str = "B") -> Measure:
    return Measure("memory.swap_used", value, unit, 0, 64 * MIB, "baseline")


@pytest.mark.parametrize(
    ("waiver", "measures", "today", "refusal"),
    [
        (WAIVER, [measure(512 * MIB)], LAST_DAY, None),
        (WAIVER, [measure(512 * MIB)], date(2027, 2, 1), "expired on 2027-01-31"),
        (WAIVER, [measure(600 * MIB)], LAST_DAY, "allows at most 512 MiB, not 600 MiB"),
        (WAIVER, [measure(1), measure(600 * MIB)], LAST_DAY, "allows at most 512 MiB, not 600 MiB"),
        (WAIVER, [], LAST_DAY, "has a bound, but nothing was measured"),
        (WAIVER, [measure(None)], LAST_DAY, "has a bound, but nothing was measured"),
        (WAIVER, [measure(float("nan"))], LAST_DAY, "allows at most 512 MiB, not nan B"),
        (replace(WAIVER, at_most=None), [], LAST_DAY, None),
        (replace(WAIVER, at_most=None, at_least=2.0), [measure(3, "%")], LAST_DAY, None),
        (replace(WAIVER, at_most=None, at_least=2.0), [measure(1, "%")], LAST_DAY, "allows no less than 2 %, not 1 %"),
    ],
)
def test_a_waiver_covers_a_failure_or_says_why_not(
    waiver: Waiver, measures: list[Measure], today: date, refusal: str | None
) -> None:
    assert waiver.refusal(measures, today) == refusal


def test_a_waiver_says_who_permits_what() -> None:
    assert WAIVER.permission() == "waived until 2027-01-31 by platform, owner storage, OPS-123 (prod.yml:30)"


def test_waivers_that_are_of_no_use_are_said() -> None:
    other = replace(WAIVER, check="memory.fork", origin="prod.yml:31")
    both, judged = (WAIVER, other), {"memory.swap_used"}
    assert notices(both, {WAIVER}, judged, LAST_DAY) == []
    assert notices(both, set(), judged, LAST_DAY) == ["prod.yml:30: the waiver of memory.swap_used was not needed"]
    assert notices(both, {WAIVER}, judged, date(2028, 1, 1)) == [
        "prod.yml:30: the waiver of memory.swap_used expired on 2027-01-31",
        "prod.yml:31: the waiver of memory.fork expired on 2027-01-31",
    ]


def test_a_policy_gives_each_host_its_waivers(tmp_path: Path) -> None:
    policy = fleet.understood(
        tmp_path,
        """\
waivers:
- check: memory.swap_used
  hosts: web
  until: 2027-01-31
  at_most: 512 MiB
  owner: storage
  approved_by: platform
  ticket: OPS-123
  reason: the new disks are late
- {check: memory.available, hosts: db, until: 2027-01-31, at_least: 2 %, owner: a, approved_by: b}
- {check: memory.oom_kills, hosts: db1, until: 2027-01-31, owner: a, approved_by: b}
""",
    )
    swap, available, kills = policy.waivers
    assert swap == replace(WAIVER, hosts=("web1", "web2"), origin="one.yml:2", reason="the new disks are late")
    assert (available.at_most, available.at_least) == (None, 2)
    assert policy.for_host("db1").waivers == (available, kills)
    assert policy.for_host("web1").waivers == (swap,)
    assert policy.notices == ("one.yml:11: the waiver of memory.oom_kills has no at_most, so it covers any value",)
