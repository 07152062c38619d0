"""How often the kernel reported a hung task of late: a task that stays so is reported every two minutes.

In: what the probe saw, an earlier run's counter, the host's uptime, how far back they count. Out: a number and why
there may be more.

"Of late" is since the earlier run or within the policy's time, whichever is longer; since boot, when that was later.
The counter decides since the earlier run, or since a late boot; the log adds what it tells of the time before. A kernel
without the counter (before Linux 6.13) has only its log, which is believed as far as it goes back.
"""

from __future__ import annotations

from typing import NamedTuple

from shipworthy.errors import NotMeasured
from shipworthy.probes.parts.hung import Report
from shipworthy.probes.processes import Processes
from shipworthy.snapshot import Previous


class HungTasks(NamedTuple):
    """The reports that count."""

    number: int
    reports: list[Report]
    """Those of the log, newest first."""
    missing: str = ""
    """Why there may be more; empty when there are not."""


def hung_of_late(processes: Processes, previous: Previous, uptime: float | None, within: float) -> HungTasks:
    """The reports that count; raises NotMeasured when nothing tells of them."""
    hung = processes.hung
    if hung is None:
        raise NotMeasured(f"hung: {processes.unseen.get('hung', 'not measured')}")
    before, ago = previous.counter("processes", "hung_tasks"), previous.seconds_ago or 0.0
    reports = [report for report in hung.reports or () if report.age_seconds <= max(within, ago)]
    if hung.detected is None and hung.reports is None:
        raise NotMeasured(f"hung tasks: {processes.unseen.get('hung.reports', 'not measured')}")
    if hung.detected is None:
        return HungTasks(len(reports), reports)
    if hung.detected == 0 or (uptime is not None and uptime <= within):
        return HungTasks(hung.detected, reports)
    if before is not None:
        earlier = [report for report in reports if ago < report.age_seconds]
        return HungTasks(max(0, hung.detected - before) + len(earlier), reports)
    if len(hung.reports or ()) >= hung.detected:
        return HungTasks(len(reports), reports)
    missing = f"{hung.detected} hung tasks since boot; the kernel's log does not tell when of each"
    return HungTasks(len(reports), reports, missing)
