"""When this run fails by time alone: the earliest end of anything that claims looked at and found in order.

In: ends, as running checks tell them, and how each check ended. Out: a line for the run's notices.
"""

from __future__ import annotations

from datetime import UTC, datetime

from shipworthy.results import Result


class Horizon:
    """The ends that are known so far."""

    def __init__(self) -> None:
        self._ends: dict[str, datetime] = {}
        """By what ends, when it first does."""
        self._told: list[tuple[datetime, str]] = []
        """By the check that is running: they count if it holds."""

    def fails(self, when: datetime, what: str) -> None:
        """The running check, which holds now, fails at `when` (with its zone) if nothing is done: `www, expires`."""
        self._told.append((when, what))

    def settle(self, result: Result, *, observed: bool) -> None:
        """The running check has ended so. What is only observed, or waived, makes no run fail."""
        if result.outcome in {"passed", "warned"} and not observed:
            for when, what in self._told:
                self._ends[what] = min(when, self._ends.get(what, when))
        self._told = []

    def notices(self, *, failed: bool) -> list[str]:
        """Nothing where nothing ends; `failed`: the run does so already."""
        if not self._ends:
            return []
        what, when = min(self._ends.items(), key=lambda end: (end[1], end[0]))
        day = when.astimezone(UTC).date()
        others = sum(other.astimezone(UTC).date() == day for other in self._ends.values()) - 1
        which, more = "next" if failed else "first", f"; and {others:,} more" if others else ""
        return [f"by time alone, this run {which} fails on {day}: {what}{more}"]
