"""What the table of tracked connections lost of late: since an earlier run of this boot, otherwise over the window.

In: the probe's counters, an earlier run's. Out: `Lost`.
"""

from __future__ import annotations

from typing import NamedTuple

from shipworthy.errors import NotMeasured
from shipworthy.policy.language.units import SECONDS
from shipworthy.probes.parts.conntrack import Losses, added
from shipworthy.probes.ports import Ports
from shipworthy.snapshot import Previous


class Lost(NamedTuple):
    """Losses over so many seconds."""

    dropped: int
    """Packets, for want of room: without those that lost a race, which newer kernels count as dropped as well."""
    thrown_out: int
    races: int
    seconds: float

    @property
    def when(self) -> str:
        return f"in {SECONDS.format(self.seconds)}"

    @property
    def races_per_second(self) -> float:
        return self.races / self.seconds if self.seconds else 0.0


def losses_of_late(ports: Ports, previous: Previous) -> Lost:
    """What was lost; raises NotMeasured when nothing tells."""
    table = ports.conntrack
    now = table.losses if table is not None else None
    if table is None or now is None:
        raise NotMeasured(f"conntrack.losses: {ports.unseen.get('conntrack.losses', 'not measured')}")
    before = [previous.counter("ports", f"conntrack_{name}") for name in Losses._fields]
    known = [count for count in before if count is not None]
    if len(known) == len(before) and previous.seconds_ago:
        since = Losses(*(added(one, other) for one, other in zip(known, now, strict=True)))
        return _lost(since, previous.seconds_ago)
    if table.recent is None:
        raise NotMeasured(f"conntrack.recent: {ports.unseen.get('conntrack.recent', 'not measured')}")
    return _lost(table.recent, table.seconds)


def _lost(losses: Losses, seconds: float) -> Lost:
    return Lost(max(0, losses.drop - losses.insert_failed), losses.early_drop, losses.insert_failed, seconds)
