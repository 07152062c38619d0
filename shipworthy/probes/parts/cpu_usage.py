"""What the cores did over the window: all of them that the login may run on, and those that stand out.

In: the kernel's accounts at both ends of the window. Out: `Cores`, `Usage`. Source: linux.md, section 2.
"""

import heapq
from typing import Dict, List, NamedTuple, Optional, Set

from shipworthy.probes.parts.cpu_groups import Bounded
from shipworthy.probes.parts.cpu_times import (
    Accounts,
    Own,
    Shares,
    Times,
    allowed_cores,
    shares,
    spent_by_core,
    together,
    without,
)
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.seen import Eyes


class Cores(NamedTuple):
    """How many there are, and for whom."""

    online: int
    allowed: Optional[int]
    """Those of them that the login may run on: its cpuset and affinity."""
    quota: Optional[float]
    """What the narrowest quota around the login allows, in cores."""
    effective: float
    """The least of these."""


class Core(NamedTuple):
    """One core."""

    core: int
    shares: Shares

    @property
    def interrupts_percent(self) -> float:
        """What it spends on interrupts, hard and soft."""
        return self.shares.irq_percent + self.shares.softirq_percent


class Usage(NamedTuple):
    """What the cores did that the login may run on, in a container the container's; without what the probes used."""

    seconds: float
    whole: Shares
    busiest: List[Core]
    """At most so many as were asked for, busiest first."""
    interrupted: List[Core]
    """Likewise, those first that spend most on interrupts. Of a single core the probes' own share is taken off; among
    several nobody can tell which of them bore it."""
    own_percent: float
    """What the probes used, of all these cores' time: it is taken off `whole`."""


def allowed_of(machine: Machine, accounts: Accounts) -> Set[int]:
    """The cores told of that this process may run on. Raises NotSeen, OSError, ParseError."""
    found = allowed_cores(machine) & set(accounts.cores)
    if not found:
        raise NotSeen("none of the cores that the login may run on is told of")  # lxcfs numbers them anew
    return found


def read_cores(eyes: Eyes, accounts: Accounts, allowed: Optional[Set[int]], bounds: Optional[List[Bounded]]) -> Cores:
    """How many cores there are to use."""
    quota = min((bound.quota_cores for bound in bounds or ()), default=None)
    if quota is None:
        eyes.unseen["cores.quota"] = eyes.unseen.get("groups", "no control group around the login has a quota")
    online = len(accounts.cores)
    counts = [float(online)]
    if allowed is not None:
        counts.append(float(len(allowed)))
    if quota is not None:
        counts.append(quota)
    return Cores(online, None if allowed is None else len(allowed), quota, min(counts))


def usage_between(
    before: Accounts, after: Accounts, own: Own, allowed: Optional[Set[int]], seconds: float, top: int
) -> Usage:
    """The window's usage; `own` is what the probes used in it. Raises NotSeen."""
    spent = spent_by_core(before, after)
    mine = {core: times for core, times in spent.items() if allowed is None or core in allowed}
    everything = together(mine.values())
    whole = without(everything, own)
    if len(mine) == 1:
        mine = dict.fromkeys(mine, whole)
    cores = _told(mine)
    if not cores:
        raise NotSeen("the hypervisor gave no time at all")
    total = sum(everything)
    return Usage(
        seconds=round(seconds, 3),
        whole=shares(whole),
        busiest=heapq.nlargest(top, cores, key=lambda core: core.shares.busy_percent),
        interrupted=heapq.nlargest(top, cores, key=lambda core: core.interrupts_percent),
        # The kernel keeps the two accounts by different clocks: on slow cores a process may have more than there was.
        own_percent=round(min(100.0, 100.0 * (own.user + own.system) / total), 4) if total else 0.0,
    )


def _told(spent: Dict[int, Times]) -> List[Core]:
    cores = []
    for core, times in sorted(spent.items()):
        try:
            cores.append(Core(core, shares(times)))
        except NotSeen:
            continue  # all of its time was stolen: the whole tells of that
    return cores
