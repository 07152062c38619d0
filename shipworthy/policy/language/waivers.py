"""A waiver: a dated, owned, bounded permission to break one check on some hosts. Pure; `outcome` decides by it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from shipworthy.policy.language.units import UNITS
from shipworthy.results import Measure


@dataclass(frozen=True)
class Waiver:
    """As a policy says it; bounds in the base unit of the check's limits, hosts by name."""

    check: str
    hosts: tuple[str, ...]
    until: date
    """The last day on which it holds."""
    at_most: float | None
    owner: str
    approved_by: str
    ticket: str
    origin: str
    """Where it stands: `policies/prod.yml:30`."""
    reason: str = ""
    at_least: float | None = None
    """The bound for a value that fails when it is too low."""

    def refusal(self, measures: Iterable[Measure], today: date) -> str | None:
        """Why it does not cover a failure with these measures (the broken ones) today; None: it does."""
        if today > self.until:
            return f"expired on {self.until}"
        if self.at_most is None and self.at_least is None:
            return None
        values = [(measure.value, measure.unit) for measure in measures if measure.value is not None]
        if not values:
            return "has a bound, but nothing was measured"
        for value, symbol in values:
            if self.at_most is not None and not value <= self.at_most:
                return f"allows at most {_quantity(self.at_most, symbol)}, not {_quantity(value, symbol)}"
            if self.at_least is not None and not value >= self.at_least:
                return f"allows no less than {_quantity(self.at_least, symbol)}, not {_quantity(value, symbol)}"
        return None

    def permission(self) -> str:
        """What a report says of a failure that it covers."""
        ticket = f", {self.ticket}" if self.ticket else ""
        return f"waived until {self.until} by {self.approved_by}, owner {self.owner}{ticket} ({self.origin})"


def notices(waivers: Iterable[Waiver], used: Collection[Waiver], judged: Collection[str], today: date) -> list[str]:
    """What a run says of its waivers: those that have expired, and those that were not needed.

    `used` are those that waived something, `judged` the ids of the checks that ran.
    """
    lines = []
    for waiver in waivers:
        if today > waiver.until:
            lines.append(f"{waiver.origin}: the waiver of {waiver.check} expired on {waiver.until}")
        elif waiver.check in judged and waiver not in used:
            lines.append(f"{waiver.origin}: the waiver of {waiver.check} was not needed")
    return lines


def _quantity(value: float, symbol: str) -> str:
    unit = next((unit for unit in UNITS.values() if unit.symbol == symbol), None)
    return unit.format(value) if unit else f"{value:g}"
