"""How far clocks are apart, as exchanges over a link can tell: never a number alone, but between two bounds.

In: exchanges with hosts. Out: `Between`, of one host and this machine, or of each host and the median of all.
An answer was given at some moment between question and receipt, nobody knows which: the offset is known to half that
time, and best from the quickest exchange.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from shipworthy.errors import NotMeasured
from shipworthy.exchange import Exchange
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.units import SECONDS


@dataclass(frozen=True)
class Between:
    """A difference of clocks, in seconds, positive where the clock is ahead: somewhere from `low` to `high`."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    @property
    def uncertainty(self) -> float:
        return (self.high - self.low) / 2

    @property
    def least(self) -> float:
        """The least that the clocks can be apart."""
        return max(0.0, self.low, -self.high)

    @property
    def most(self) -> float:
        """The most that they can be apart."""
        return max(abs(self.low), abs(self.high))

    @property
    def direction(self) -> str:
        return "ahead of" if self.middle > 0 else "behind"

    def __str__(self) -> str:
        """`+1.25 s ± 2 ms`."""
        sign = "+" if self.middle >= 0 else "−"
        return f"{sign}{SECONDS.format(abs(self.middle))} ± {SECONDS.format(self.uncertainty)}"


def offset(exchanges: Sequence[Exchange]) -> Between:
    """Host minus this machine, by the exchange with the least round trip."""
    best = min(exchanges, key=lambda each: each.received - each.sent)
    return Between(best.host - best.received, best.host - best.sent)


def from_median(offsets: Mapping[str, Between]) -> dict[str, Between]:
    """Of each host, host minus the median of all.

    A median is no less than that of the lower bounds and no more than that of the upper ones.
    """
    low = median(each.low for each in offsets.values())
    high = median(each.high for each in offsets.values())
    return {name: Between(each.low - high, each.high - low) for name, each in offsets.items()}


def require_certain(limit: Limit, difference: Between, what: str) -> None:
    """Raise NotMeasured where `difference` may be within `limit`'s fail bound as well as beyond it."""
    if limit.fail is not None and limit.beyond(difference.most, limit.fail) and difference.least <= limit.fail:
        bound = limit.unit.format(limit.fail)
        raise NotMeasured(f"{what} is {difference}: whether that is beyond the limit of {bound} cannot be told")
