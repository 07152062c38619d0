"""A limit asked of a value: true or false, and one line that says it."""

from __future__ import annotations

import timeit

import pytest

from shipworthy.errors import NotMeasured
from shipworthy.policy.language.limit import ASKED, Limit, Verdict, Warned
from shipworthy.policy.language.units import BYTES, PERCENT
from shipworthy.results import Measure

MIB = 2**20
SWAP = Limit("memory.swap_used", BYTES, "above", 0, 64 * MIB, "policies/prod.yml:7", "swap used")
LEFT = Limit("memory.available", PERCENT, "below", 10, 5, words="memory available")


@pytest.mark.parametrize(
    ("limit", "value", "holds", "warned", "message"),
    [
        (SWAP, 0, True, False, "swap used 0 B, limit 64 MiB"),
        (SWAP, 32 * MIB, True, True, "swap used 32 MiB, warning above 0 B (limit 64 MiB)"),
        (SWAP, 64 * MIB, True, True, "swap used 64 MiB, warning above 0 B (limit 64 MiB)"),
        (SWAP, 512 * MIB, False, False, "swap used 512 MiB, limit 64 MiB"),
        (SWAP, 64 * MIB + 10240, False, False, "swap used 64.0098 MiB, limit 64 MiB"),
        (LEFT, 30.0, True, False, "memory available 30 %, limit at least 5 %"),
        (LEFT, 10.0, True, False, "memory available 10 %, limit at least 5 %"),
        (LEFT, 7.0, True, True, "memory available 7 %, warning below 10 % (limit at least 5 %)"),
        (LEFT, 4.999, False, False, "memory available 4.999 %, limit at least 5 %"),
        (LEFT.softened(), 1.0, True, True, "memory available 1 %, warning below 10 %"),
        (Limit("a.b", BYTES, "above"), 5, True, False, "a.b 5 B"),
    ],
)
def test_a_value_is_judged(limit: Limit, value: float, holds: bool, warned: bool, message: str) -> None:
    verdict = limit.allows(value)
    assert (bool(verdict), verdict.warned, verdict.message) == (holds, warned, message)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_never_allowed(value: float | None) -> None:
    with pytest.raises(NotMeasured, match=r"memory\.swap_used"):
        SWAP.allows(value)


def test_a_verdict_prints_itself_with_its_evidence() -> None:
    verdict = SWAP.allows(512 * MIB, evidence=(f"{name} 256 MiB" for name in ("java[7]", "ruby[8]")), what="swap of db")
    assert repr(verdict) == "swap of db 512 MiB, limit 64 MiB\n  java[7] 256 MiB\n  ruby[8] 256 MiB"
    assert verdict.evidence == ("java[7] 256 MiB", "ruby[8] 256 MiB")


def test_a_verdict_is_a_measure() -> None:
    measure = SWAP.allows(5).measure
    assert measure == Measure("memory.swap_used", 5, "B", 0, 64 * MIB, "policies/prod.yml:7")


def test_a_softened_limit_only_warns_and_its_measure_keeps_the_bounds() -> None:
    verdict = LEFT.softened().allows(1.0)
    assert verdict and verdict.warned
    assert (verdict.measure.warn, verdict.measure.fail) == (10, 5)


def test_verdicts_are_remembered_where_somebody_asks_for_it() -> None:
    remembered: list[Verdict | Warned] = []
    token = ASKED.set(remembered)
    first, second = SWAP.allows(1), LEFT.allows(2)
    ASKED.reset(token)
    SWAP.allows(3)
    assert remembered == [first, second]


def test_the_bound_that_is_passed_first_begins_the_doubt() -> None:
    assert (SWAP.doubt, LEFT.doubt, Limit("a.b", BYTES, "above").doubt) == (0, 10, None)


def test_eighty_thousand_questions_take_no_time() -> None:
    calls = 20_000
    assert timeit.timeit(lambda: SWAP.allows(5), number=calls) / calls < 20e-6
