"""Outcomes: one function, one precedence; unknown is never a pass."""

from __future__ import annotations

from datetime import date

import pytest

from shipworthy.errors import DoesNotApply, NotMeasured
from shipworthy.outcome import decide
from shipworthy.policy import ASKED, Verdict, Waiver, Warned, warn
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.units import BYTES

TODAY = date(2026, 11, 23)
LIMIT = Limit("memory.swap_used", BYTES, "above", warn=0, fail=64 * 2**20, origin="baseline", words="swap used")
FINE, WARNED, FAILED = (LIMIT.allows(value, evidence=[f"pid {value}"]) for value in (0, 1, 512 * 2**20))


def waiver(**given: object) -> Waiver:
    values = {
        "check": "memory.swap_used",
        "hosts": ("db1",),
        "until": date(2027, 1, 31),
        "at_most": None,
        "owner": "storage",
        "approved_by": "platform",
        "ticket": "OPS-123",
        "origin": "policies/prod.yml:30",
    }
    return Waiver(**(values | given))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "verdicts", "outcome", "message"),
    [
        (None, [FINE], "passed", ""),
        (None, [], "passed", ""),
        (None, [FINE, WARNED], "warned", "swap used 1 B, warning above 0 B (limit 64 MiB)"),
        (AssertionError("assert …"), [FINE, FAILED], "failed", "swap used 512 MiB, limit 64 MiB"),
        (AssertionError("two leaders\n  db1\n  db2"), [FINE], "failed", "two leaders"),
        (NotMeasured("memory.fork: needs root"), [WARNED], "error", "memory.fork: needs root"),
        (DoesNotApply("no swap on this host"), [], "skipped", "no swap on this host"),
        (ZeroDivisionError("division by zero"), [], "error", "ZeroDivisionError: division by zero"),
        (None, [FAILED], "passed", ""),
    ],
    ids=["within", "no limit", "between", "beyond", "in words", "unknown", "nothing there", "broken check", "witness"],
)
def test_a_claim_ends(error: BaseException | None, verdicts: list[Verdict], outcome: str, message: str) -> None:
    judged = decide(error, verdicts, today=TODAY)
    assert (judged.outcome, judged.message) == (outcome, message)


def test_what_failed_before_something_could_not_be_measured_stays_failed() -> None:
    judged = decide(NotMeasured("commit.user_reserve_bytes: no file"), [FAILED], today=TODAY)
    assert (judged.outcome, judged.message) == ("failed", "swap used 512 MiB, limit 64 MiB")
    assert judged.note == "not all of it was measured: commit.user_reserve_bytes: no file"


def test_evidence_is_that_of_the_broken_limit() -> None:
    assert decide(AssertionError(), [FINE, FAILED], today=TODAY).evidence == ("pid 536870912",)


def test_plain_words_keep_their_lines_as_evidence() -> None:
    assert decide(AssertionError("two leaders\n  db1\n  db2"), [], today=TODAY).evidence == ("db1", "db2")


@pytest.mark.parametrize(
    ("error", "verdicts", "outcome"),
    [(AssertionError(), [FAILED], "passed"), (None, [WARNED], "passed"), (NotMeasured("x"), [], "skipped")],
)
def test_what_is_observed_is_never_a_reason_to_fail(
    error: BaseException | None, verdicts: list[Verdict], outcome: str
) -> None:
    judged = decide(error, verdicts, observed=True, today=TODAY)
    assert judged.outcome == outcome
    assert judged.note.startswith("observed only")


@pytest.mark.parametrize(
    ("given", "outcome", "note"),
    [
        ({}, "waived", "waived until 2027-01-31 by platform, owner storage, OPS-123 (policies/prod.yml:30)"),
        ({"at_most": 512 * 2**20}, "waived", "waived until"),
        ({"at_most": 100 * 2**20}, "failed", "waiver policies/prod.yml:30 allows at most 100 MiB, not 512 MiB"),
        ({"until": date(2026, 11, 22)}, "failed", "waiver policies/prod.yml:30 expired on 2026-11-22"),
        ({"until": TODAY}, "waived", "waived until 2026-11-23"),
    ],
    ids=["covered", "just within", "over its bound", "expired", "last day"],
)
def test_a_waiver_covers_a_failure(given: dict[str, object], outcome: str, note: str) -> None:
    judged = decide(AssertionError(), [FAILED], waivers=[waiver(**given)], today=TODAY)
    assert judged.outcome == outcome
    assert judged.note.startswith(note)


def test_a_bound_needs_a_measured_value() -> None:
    judged = decide(AssertionError("two leaders"), [], waivers=[waiver(at_most=1.0)], today=TODAY)
    assert judged.outcome == "failed"


def test_an_error_is_not_waived() -> None:
    assert decide(NotMeasured("unreachable"), [], waivers=[waiver()], today=TODAY).outcome == "error"


def warned(*sentences: str) -> list[Verdict | Warned]:
    """What `warn` leaves behind in a running check, each sentence with a line of evidence."""
    asked: list[Verdict | Warned] = []
    token = ASKED.set(asked)
    for sentence in sentences:
        warn(sentence, evidence=[f"of {sentence}"])
    ASKED.reset(token)
    return asked


def test_a_warning_without_a_number_makes_a_claim_that_holds_warned() -> None:
    judged = decide(None, [FINE, *warned("root served", "two chains")], today=TODAY)
    assert (judged.outcome, judged.message) == ("warned", "root served; two chains")
    assert judged.evidence == ("of root served", "of two chains")
    assert judged.measures == (FINE.measure,)


def test_it_is_told_beside_what_a_limit_warns_of() -> None:
    judged = decide(None, [WARNED, *warned("root served")], today=TODAY)
    assert judged.message == f"{WARNED.message}; root served"


@pytest.mark.parametrize(
    ("error", "outcome", "message"),
    [
        (AssertionError("it is revoked"), "failed", "it is revoked"),
        (NotMeasured("nobody answers"), "error", "nobody answers"),
        (DoesNotApply("it is private"), "skipped", "it is private"),
    ],
)
def test_it_is_no_more_than_a_warning(error: Exception, outcome: str, message: str) -> None:
    judged = decide(error, warned("root served"), today=TODAY, waivers=[])
    assert (judged.outcome, judged.message, judged.measures) == (outcome, message, ())


def test_a_waiver_of_a_claim_in_words_holds_though_something_was_warned_of_too() -> None:
    words = waiver(at_most=None)
    judged = decide(AssertionError("it is revoked"), warned("root served"), waivers=[words], today=TODAY)
    assert judged.outcome == "waived"


def test_outside_of_a_check_nobody_is_warned() -> None:
    warn("root served")
    assert not ASKED.get()
