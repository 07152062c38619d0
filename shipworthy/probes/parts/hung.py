"""Tasks that the kernel itself reported as hung: uninterruptible for longer than its patience, two minutes by default.

In: /proc/sys/kernel/hung_task_detect_count, /dev/kmsg. Out: `Hung`. The counter (Linux 6.13) tells how many since boot;
the log tells who and when, of its first ten reports, as long as it holds them.
Source: kernel/hung_task.c, Documentation/admin-guide/sysctl/kernel.rst.
"""

import re
from typing import List, NamedTuple, Optional

from shipworthy.probes.parts.kernel_log import KMSG, Line, read_log
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import only_number
from shipworthy.probes.runtime.seen import Eyes

COUNT = "/proc/sys/kernel/hung_task_detect_count"

_MOST = 64
_REPORT = re.compile(r"^INFO: task (.*):(\d+) blocked(?: in I/O wait)? for more than (\d+) seconds")


class Report(NamedTuple):
    """A line of the kernel's log about a task that hung."""

    age_seconds: float
    pid: int
    comm: str
    blocked_seconds: int


class Hung(NamedTuple):
    """What the kernel says of hung tasks, since boot."""

    detected: Optional[int]
    reports: Optional[List[Report]]
    """Newest first, 64 at most."""
    told: bool
    """Whether this machine has a place where it would be told at all."""


def read_hung(eyes: Eyes) -> Hung:
    """The counter and the log."""
    machine = eyes.machine
    detected = eyes.see("hung.detected", lambda: only_number(machine.read(COUNT), COUNT))
    reports = eyes.see("hung.reports", lambda: _reports(machine)) if detected != 0 else []
    return Hung(detected, reports, detected is not None or machine.exists(KMSG))


def reports_in(lines: List[Line], now: float) -> List[Report]:
    """The reports that a log tells of, newest first; `now` is on the log's own clock."""
    found = []
    for seconds, message in lines:
        match = _REPORT.match(message)
        if match:
            age = round(max(0.0, now - seconds), 3)
            found.append(Report(age, int(match.group(2)), match.group(1), int(match.group(3))))
    return found[: -_MOST - 1 : -1]


def _reports(machine: Machine) -> List[Report]:
    return reports_in(read_log(machine), machine.kernel_seconds())
