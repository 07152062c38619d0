"""A bound that a figure must keep, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """True when it is kept."""

    what: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    def __bool__(self) -> bool:
        high = self.at_least is None or self.value >= self.at_least
        return high and (self.at_most is None or self.value <= self.at_most)

    def __str__(self) -> str:
        bound = f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"
        return f"{'kept  ' if self else 'MISSED'}  {self.what}: {self.value:.2f} ({bound})"
