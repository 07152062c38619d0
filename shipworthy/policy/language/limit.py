"""A limit: one bound on one measured value, with an optional warning level; and what comes of asking it.

    assert policy.memory.swap_used.allows(memory.swap_used, evidence=memory.top_swappers)

In: a measured number. Out: a `Verdict` that is true or false and prints itself. Pure, but for `ASKED`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Literal

from shipworthy.errors import NotMeasured
from shipworthy.policy.language.units import Unit
from shipworthy.results import Measure

Direction = Literal["above", "below"]

ASKED: ContextVar[list[Verdict | Warned] | None] = ContextVar("shipworthy_asked", default=None)
"""Set to a list to have every verdict of the running check appended: the report's and the history's measures."""


class Verdict:
    """What a limit says of one value. False when it is beyond the fail bound; prints itself."""

    def __init__(
        self, limit: Limit, value: float, evidence: Iterable[object], what: str, failed: bool, told: str = ""
    ) -> None:
        self.limit = limit
        self.value = value
        self.what = what
        self._told = told
        self._failed = failed
        self._evidence = evidence

    def __bool__(self) -> bool:
        return not self._failed

    @property
    def warned(self) -> bool:
        """Beyond the warning level, but not beyond the fail bound."""
        return not self._failed and self.limit.beyond(self.value, self.limit.warns_at)

    @cached_property
    def evidence(self) -> tuple[str, ...]:
        return tuple(str(line) for line in self._evidence)

    @property
    def message(self) -> str:
        """One line: what, measured, limit: `swap used 512 MiB, limit 64 MiB`."""
        return self.limit.describe(self.value, self.what, failed=self._failed, told=self._told)

    @property
    def measure(self) -> Measure:
        limit = self.limit
        return Measure(limit.name, self.value, limit.unit.symbol, limit.warn, limit.fail, limit.origin)

    def __repr__(self) -> str:
        return "\n  ".join((self.message, *self.evidence))


@dataclass(frozen=True)
class Warned:
    """A warning that no number stands behind: told as a verdict is, and true, as the claim holds."""

    message: str
    evidence: tuple[str, ...] = ()
    warned: ClassVar[bool] = True

    def __bool__(self) -> bool:
        return True


def warn(sentence: str, evidence: Iterable[object] = ()) -> None:
    """Warn of something in one line: the running check is `warned` if it holds otherwise. Several are told together."""
    asked = ASKED.get()
    if asked is not None:
        asked.append(Warned(sentence, tuple(str(line) for line in evidence)))


@dataclass(frozen=True)
class Limit:
    """One bound on one measured value, in base units; a bound that is None is open."""

    name: str
    """`memory.swap_used`; an item's limit has the item's name in the middle."""
    unit: Unit
    direction: Direction
    warn: float | None = None
    fail: float | None = None
    origin: str = "baseline"
    """What last touched it: `baseline`, `strict`, or `policies/prod.yml:7`."""
    words: str = ""
    """What is measured, as a message begins: `swap used`."""
    soft: bool = False
    """A value beyond the fail bound only warns: see `softened`."""

    def allows(
        self, value: float | None, *, evidence: Iterable[object] = (), what: str = "", told: str = ""
    ) -> Verdict:
        """The verdict on `value`; `what` names the item that was measured, instead of the limit's own words, and
        `told` is said instead of both words and value.

        A value that is missing, or is no number (NaN would pass every comparison), raises NotMeasured.
        """
        if value is None:
            raise NotMeasured(self.name)
        if value - value != 0:
            raise NotMeasured(f"{self.name}: {value} is no number")
        verdict = Verdict(self, value, evidence, what, not self.soft and self.beyond(value, self.fail), told)
        asked = ASKED.get()
        if asked is not None:
            asked.append(verdict)
        return verdict

    def beyond(self, value: float, bound: float | None) -> bool:
        if bound is None:
            return False
        return value > bound if self.direction == "above" else value < bound

    @property
    def doubt(self) -> float | None:
        """The bound that a value passes first: beyond it, a first short look is in doubt."""
        bounds = [bound for bound in (self.warn, self.fail) if bound is not None]
        if not bounds:
            return None
        return min(bounds) if self.direction == "above" else max(bounds)

    @property
    def warns_at(self) -> float | None:
        return self.doubt if self.soft else self.warn

    def softened(self) -> Limit:
        """The same limit that can only warn: for a value that does no harm without a second witness."""
        return replace(self, soft=True)

    def describe(self, value: float, what: str = "", *, failed: bool, told: str = "") -> str:
        warns = self.soft or (not failed and self.beyond(value, self.warn))
        bound = self.warns_at if warns else self.fail
        shown, against = _apart(self.unit, value, bound)
        head = told or f"{what or self.words or self.name} {shown}"
        if bound is None:
            return head
        least = "at least " if self.direction == "below" else ""
        if failed or (bound == self.fail and not self.soft):
            return f"{head}, limit {least}{against}"
        final = f" (limit {least}{self.unit.format(self.fail)})" if self.fail is not None and not self.soft else ""
        return f"{head}, warning {self.direction} {against}{final}"


def _apart(unit: Unit, value: float, bound: float | None) -> tuple[str, str]:
    """Both as people read them, with more digits where 64.01 MiB would be shown as the 64 MiB that it exceeds."""
    if bound is None:
        return unit.format(value), ""
    for digits in (3, 6, 9, 15):
        shown, against = unit.format(value, digits), unit.format(bound, digits)
        if shown != against or value == bound:
            break
    return shown, against
