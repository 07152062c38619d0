"""One function that decides a check's outcome, with one precedence.

In: how the claim ended (its exception, its verdicts), whether it is only observed, and the waivers that name it.
Out: `Judged`. First what the claim itself says: failed > error > warned > passed. Then `observe`, then waivers.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import takewhile
from pathlib import Path
from textwrap import dedent

from shipworthy.errors import DoesNotApply, LinkError, NotMeasured
from shipworthy.policy import Verdict, Waiver, Warned
from shipworthy.results import Measure, Outcome

MESSAGE = 2000
"""Characters of a message, and of a line of evidence: whoever wrote the claim may have put a whole file into it."""
EVIDENCE = 200
"""Lines of evidence."""


@dataclass(frozen=True)
class Judged:
    """An outcome with all that a person needs to believe it."""

    outcome: Outcome
    message: str = ""
    evidence: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()
    note: str = ""
    waived_by: Waiver | None = None


def decide(
    error: BaseException | None,
    verdicts: Sequence[Verdict | Warned],
    *,
    observed: bool = False,
    waivers: Sequence[Waiver] = (),
    today: date,
) -> Judged:
    """The outcome of a claim that ended with `error` (None: it held), having asked for `verdicts`.

    `waivers` are those that name this check on this host; `today` is the day of the time that the run was told.
    """
    judged = _claimed(error, verdicts)
    if observed:
        return _observed(judged)
    return _waived(judged, verdicts, waivers, today)


def _claimed(error: BaseException | None, verdicts: Sequence[Verdict | Warned]) -> Judged:
    measures = tuple(verdict.measure for verdict in verdicts if isinstance(verdict, Verdict))
    failed = [verdict for verdict in verdicts if not verdict]
    match error:
        case None:
            warned = [verdict for verdict in verdicts if verdict.warned]
            return _told("warned" if warned else "passed", warned, measures)
        case DoesNotApply():
            return Judged("skipped", _first_line(error), measures=measures)
        case NotMeasured() | LinkError() if failed:  # the claim was lost before the rest of it could not be measured
            return replace(_told("failed", failed, measures), note=f"not all of it was measured: {_first_line(error)}")
        case NotMeasured() | LinkError():
            return Judged("error", _first_line(error), measures=measures)
        case AssertionError():
            return _told("failed", failed, measures) if failed else _asserted(error, measures)
        case _:
            said = f": {line}" if (line := _first_line(error)) else ""
            return Judged("error", f"{type(error).__name__}{said}{_place(error)}", measures=measures)


def _told(outcome: Outcome, verdicts: Sequence[Verdict | Warned], measures: tuple[Measure, ...]) -> Judged:
    message = "; ".join(dict.fromkeys(verdict.message for verdict in verdicts))
    evidence = tuple(dict.fromkeys(line for verdict in verdicts for line in verdict.evidence))
    return Judged(outcome, message, evidence, measures)


def _asserted(error: AssertionError, measures: tuple[Measure, ...]) -> Judged:
    """A claim in plain words, without a limit: what pytest or the check's author says of it."""
    head, *rest = _said(error).splitlines() or ["the claim does not hold"]
    if not head.startswith("assert "):  # the author's own words: pytest's account of the expression adds nothing
        rest = list(takewhile(lambda line: not line.startswith("assert "), rest))
    # pytest indents what follows a message's first line.
    told = [cut(line) for line in dedent("\n".join(rest)).splitlines() if line.strip()]
    if len(told) > EVIDENCE:
        told[EVIDENCE:] = [f"… {len(told) - EVIDENCE:,} lines more"]
    return Judged("failed", cut(head), tuple(told), measures)


def _observed(judged: Judged) -> Judged:
    match judged.outcome:
        case "failed" | "warned":
            return replace(judged, outcome="passed", note=f"observed only; would have {judged.outcome}")
        case "error":
            return replace(judged, outcome="skipped", note="observed only; could not be measured")
        case _:
            return judged


def _waived(judged: Judged, verdicts: Sequence[Verdict | Warned], waivers: Sequence[Waiver], today: date) -> Judged:
    if judged.outcome != "failed":
        return judged
    broken = [verdict.measure for verdict in verdicts if isinstance(verdict, Verdict) and not verdict]
    refusals = []
    for waiver in waivers:
        refusal = waiver.refusal(broken, today)
        if refusal is None:
            return replace(judged, outcome="waived", note=waiver.permission(), waived_by=waiver)
        refusals.append(f"waiver {waiver.origin} {refusal}")
    return replace(judged, note="; ".join(filter(None, [judged.note, *refusals])))


def cut(line: str) -> str:
    """`line`, or its beginning and how much more there was."""
    return line if len(line) <= MESSAGE else f"{line[:MESSAGE]}… ({len(line) - MESSAGE:,} characters more)"


def _said(error: BaseException) -> str:
    """What the exception says; one that cannot even do that must not take the run along."""
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001  it is anybody's code
        return f"(no message: its __str__ raised {type(broken).__name__})"


def _first_line(error: BaseException) -> str:
    return cut((_said(error).splitlines() or [""])[0])


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
