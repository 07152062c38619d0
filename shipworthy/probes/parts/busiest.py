"""The processes that ran most between two samples. In: two looks at all processes. Out: `Busy`, busiest first."""

import heapq
from typing import List, NamedTuple

from shipworthy.probes.parts.stats import Stats, between
from shipworthy.probes.runtime.machine import Machine

_LEAST = 1.0
"""Percent of a core below which nobody is worth a name."""


class Busy(NamedTuple):
    """A process that ran in the window, and its share of one core: several threads may take more than one."""

    pid: int
    comm: str
    start_ticks: int
    percent: float


def busiest(machine: Machine, before: Stats, after: Stats, seconds: float, top: int, own: int) -> List[Busy]:
    """At most `top` processes, but for `own`, the one that looks. What ended meanwhile is not there to be named."""
    ticks = between(machine, before, after, seconds) * machine.ticks_per_second()
    if ticks <= 0:
        return []
    found = []
    for pid, now in after.processes.items():
        then = before.processes.get(pid)
        if pid == own:
            continue
        so_far = then.ticks if then is not None and then.start_ticks == now.start_ticks else 0
        percent = 100.0 * (now.ticks - so_far) / ticks
        if percent >= _LEAST:
            found.append(Busy(pid, now.comm, now.start_ticks, round(percent, 2)))
    return heapq.nlargest(top, found, key=lambda each: each.percent)
