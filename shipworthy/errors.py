"""Every error of Shipworthy, one small tree.

    ShipworthyError
    ├── UsageError            exit 4: nothing runs; carries every problem found, each with its place
    │   ├── InventoryError    who the hosts are, or how to log in, is not understood
    │   ├── PolicyError       what must be true of them is not understood
    │   └── ReplayError       a stored run cannot be read
    ├── LinkError             a host could not be spoken to; says on which rung of the login
    ├── AnswerError           a host answered what no probe of ours says
    └── NotMeasured           a value is missing that a claim needs: an error of that check alone
        └── DoesNotApply      there is nothing to judge on this host: the check is skipped

One boundary turns each into data: `UsageError` in the plugin, `LinkError` and `AnswerError` in
`collect.measure`, `NotMeasured` and `DoesNotApply` in `outcome`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class ShipworthyError(Exception):
    """The root of the tree."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an input: where (`policies/prod.yml:7: memory.swap_used`) and why."""

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}" if self.place else self.reason


class UsageError(ShipworthyError):
    """The suite was asked something that it does not understand; all problems at once."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems

    def __reduce__(self) -> tuple[type[UsageError], tuple[Problem, ...]]:
        return type(self), self.problems

    @classmethod
    def at(cls, place: str, reason: str) -> UsageError:
        """The common case of a single problem."""
        return cls(Problem(place, reason))

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> UsageError:
        return cls(*problems)


class InventoryError(UsageError):
    """An inventory, a pattern or a login variable is not understood."""


class PolicyError(UsageError):
    """A policy is not understood."""


class ReplayError(UsageError):
    """A stored run, or a part of it, cannot be read."""


class LinkError(ShipworthyError):
    """A host could not be spoken to.

    `rung` is the step of the login that broke (see `shipworthy.links.RUNGS`), `reason` one line without secrets.
    """

    def __init__(self, rung: str, reason: str) -> None:
        super().__init__(f"{rung}: {reason}")
        self.rung = rung
        self.reason = reason

    def __reduce__(self) -> tuple[type[LinkError], tuple[str, str]]:
        return type(self), (self.rung, self.reason)


class AnswerError(ShipworthyError):
    """A host's answer is too long, too deep, no JSON, or not of the form that its probe promises."""


class NotMeasured(ShipworthyError):
    """A claim needs a value that could not be measured. Unknown is never a pass."""


class DoesNotApply(NotMeasured):
    """There is nothing on this host that the claim speaks of."""
