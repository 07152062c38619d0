"""Exchanges of time with a host, as they are stored in its snapshot and judged.

`asking.py` makes them while the host's probes work; `judging/clocks.py` says what they prove.
"""

from __future__ import annotations

from typing import NamedTuple

from shipworthy.errors import NotMeasured


class Exchange(NamedTuple):
    """One question for the host's time: when it was sent and its answer came, by the clock here, and the answer.

    Seconds since 1970. The clock here is read once for all of a host's exchanges, and goes on by one that is never set.
    """

    sent: float
    received: float
    host: float


class Exchanges(NamedTuple):
    """What became of the questions for a host's time."""

    agreed: int = 0
    """How many were to be asked; none, unless something is judged by them."""
    rounds: list[Exchange] = []  # noqa: RUF012 -- never changed: a NamedTuple's default
    fault: str | None = None
    """Why the host's answers are not to be used."""

    def used(self) -> list[Exchange]:
        """Those to judge by, at least one; raises NotMeasured with the reason."""
        if self.fault:
            raise NotMeasured(f"what the host says of its time is not to be used: {self.fault}")
        if not self.agreed:
            raise NotMeasured("the host was not asked for its time in this run")
        if not self.rounds:
            raise NotMeasured(f"the host answered none of {self.agreed} questions for its time")
        return self.rounds


NO_EXCHANGES = Exchanges()
