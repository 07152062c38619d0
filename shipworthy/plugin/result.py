"""A finished item → its one result: what it claimed, what its policy makes of that, in words that name no secret.

In: pytest's account of the item's call, and the run. Out: `Result`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from shipworthy.outcome import Judged, decide
from shipworthy.plugin.cases import Case, case_of, docstring_of
from shipworthy.plugin.named import namers
from shipworthy.plugin.session import Run
from shipworthy.policy import ASKED, HostPolicy
from shipworthy.report.run import stamp
from shipworthy.results import Result


def result_of(
    run: Run, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport, broken_subtests: Sequence[str]
) -> Result:
    """The result of `item`, decided; `broken_subtests` is what its subtests have said of themselves."""
    case = case_of(item)
    judged = _judged(run, case, call, report, broken_subtests)
    _, why, look = docstring_of(item) if judged.outcome != "passed" else ("", "", "")
    return Result(
        run=run.name,
        at=stamp(datetime.now(UTC)),
        nodeid=case.nodeid,
        check=case.check,
        test=getattr(item, "originalname", None) or item.name,
        subject=case.subject,
        host=case.host,
        item=case.item if case.item or not case.of_fleet else run.set_of_hosts(),
        outcome=judged.outcome,
        message=run.redact(" ".join(judged.message.split())),
        measures=judged.measures,
        evidence=tuple(run.redact(line) for line in judged.evidence),
        seconds=round(call.duration, 6),
        note=run.redact(judged.note),
        why=why,
        look=look,
    )


def policies_of(run: Run, case: Case) -> list[HostPolicy]:
    """By which policies the case is judged: its host's; of several hosts, of those that do not turn it off."""
    if case.of_fleet or case.once:
        concerned = namers(run.policies, case) if case.once else run.policies
        return [policy for policy in concerned.values() if case.check not in policy.off]
    return [run.policies[case.host]] if case.host is not None else []


def is_observed(run: Run, case: Case) -> bool:
    """Whether it is no reason to fail, by all policies that it is judged by."""
    policies = policies_of(run, case)
    return bool(policies) and all(case.check in policy.observe for policy in policies)


def _judged(
    run: Run, case: Case, call: pytest.CallInfo[None], report: pytest.TestReport, broken_subtests: Sequence[str]
) -> Judged:
    if report.skipped:
        return Judged("skipped", _reason(report))
    error = _raised(call.excinfo) if call.excinfo else _unraised(report, broken_subtests)
    named = (waiver for policy in policies_of(run, case) for waiver in policy.waivers)
    waivers = dict.fromkeys(waiver for waiver in named if waiver.check == case.check)
    judged = decide(
        error,
        ASKED.get() or (),
        observed=is_observed(run, case),
        waivers=tuple(waivers),
        today=run.at.date(),
    )
    if judged.waived_by:
        run.used_waivers.add(judged.waived_by)
    return judged


def _unraised(report: pytest.TestReport, broken_subtests: Sequence[str]) -> AssertionError | None:
    """What makes a test fail that raised nothing itself: subtests of its, or that it was expected to fail."""
    if broken_subtests:
        return AssertionError("\n".join(["not every subtest holds", *broken_subtests]))
    return AssertionError(str(report.longrepr)) if report.failed else None


def _raised(excinfo: pytest.ExceptionInfo[BaseException]) -> BaseException:
    """What ended the test; pytest's own way of failing one says, as an assertion does, that a claim does not hold."""
    return AssertionError(str(excinfo.value)) if excinfo.errisinstance(pytest.fail.Exception) else excinfo.value


def _reason(report: pytest.TestReport) -> str:
    """Why pytest skipped, or did not mind a failure."""
    if hasattr(report, "wasxfail"):
        return f"fails as expected: {report.wasxfail.removeprefix('reason: ')}".removesuffix(": ")
    match report.longrepr:
        case (_, _, str(reason)):
            return reason.removeprefix("Skipped: ")
        case other:
            return str(other)
