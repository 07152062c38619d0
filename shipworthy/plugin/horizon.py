"""When this run fails by time alone: the earliest end of anything that claims looked at and found in order.

In: ends, as running checks tell them, and how each check ended. Out: a line for the run's notices.
"""

from __future__ import annotations

from datetime import UTC, datetime

from shipworthy.results import Result


class Horizon:
    """The ends that are known so far."""

    def __init__(self) -> None:
        self._first: tuple[datetime, str] | None = None
        self._told: list[tuple[datetime, str]] = []
        """By the check that is running: they count if it holds."""

    def fails(self, when: datetime, what: str) -> None:
        """The running check, which holds now, fails at `when` (with its zone) if nothing is done: `www, expires`."""
        self._told.append((when, what))

    def settle(self, result: Result, *, observed: bool) -> None:
        """The running check has ended so. What is only observed, or waived, makes no run fail."""
        if result.outcome in {"passed", "warned"} and not observed:
            self._first = min([*([self._first] if self._first else []), *self._told], default=None)
        self._told = []

    def notices(self, *, failed: bool) -> list[str]:
        """Nothing where nothing ends; `failed`: the run does so already."""
        if self._first is None:
            return []
        (when, what), which = self._first, "next" if failed else "first"
        return [f"by time alone, this run {which} fails on {when.astimezone(UTC):%Y-%m-%d}: {what}"]
