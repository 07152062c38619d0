"""How much of the ephemeral ports is spent, for whom.

In: what the probe counted. Out: shares of what a destination, or a bind to a source address, can have.
Formulas: shipworthy/probes/parts/ephemeral.py, which says what the kernel does.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from shipworthy.policy import Limit
from shipworthy.probes.parts.ephemeral import Destination, Source, Tcp
from shipworthy.probes.ports import Settings


class Spent(NamedTuple):
    """What one (source, destination, port) has spent, and what it cannot have as others took it by bind()."""

    destination: Destination
    blocked: int
    capacity: int

    @property
    def open_percent(self) -> float:
        return _percent(self.destination.open + self.blocked, self.capacity)

    @property
    def percent(self) -> float:
        """What is in TIME_WAIT included."""
        return _percent(self.destination.open + self.destination.time_wait + self.blocked, self.capacity)


def spent_by_destination(tcp: Tcp, early_share: float) -> list[Spent]:
    """Each destination's use. Ports bound early elsewhere count where they are too many to be left-overs."""
    early = tcp.bound_early if _percent(tcp.bound_early, tcp.capacity) >= early_share else 0
    return [Spent(each, max(0, early - each.bound_early), tcp.capacity) for each in tcp.destinations]


def bound_early(tcp: Tcp, early_share: float) -> list[tuple[Source, float]]:
    """Source addresses at which programs bind before they connect, and what is spent of each in percent."""
    return [
        (source, _percent(source.spent, tcp.capacity))
        for source in tcp.sources
        if _percent(source.bound_early, tcp.capacity) >= early_share and source.bound_early
    ]


def takes_over(settings: Settings, destination: Destination) -> bool:
    """Whether connect() may take over this destination's connections in TIME_WAIT.

    Source: net/ipv4/tcp_ipv4.c tcp_twsk_unique: it needs timestamps; tcp_tw_reuse=2 is for loopback addresses.
    """
    if not settings.timestamps or not settings.tw_reuse:
        return False
    ends = (destination.source, destination.peer)
    return settings.tw_reuse == 1 or any(ipaddress.ip_address(end).is_loopback for end in ends)


def worsens(spent: Spent, without: Limit, included: Limit) -> bool:
    """Whether TIME_WAIT makes more of it than its open connections alone do, of which another check tells."""
    return _severity(included, spent.percent) > _severity(without, spent.open_percent)


def _severity(limit: Limit, percent: float) -> int:
    return 2 if limit.beyond(percent, limit.fail) else int(limit.beyond(percent, limit.warn))


def _percent(part: int, capacity: int) -> float:
    """Of nothing, everything is spent."""
    return min(100.0, 100.0 * part / capacity) if capacity > 0 else 100.0
