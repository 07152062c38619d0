"""Processes that go nowhere: uninterruptible, stopped, dead and never asked for.

In: every process's statistics before and after a window, and the waits of those that are uninterruptible. Out:
`States`. What is short-lived is in none of it: only the same process in the same state at both ends counts.
Source: proc_pid_stat(5), Documentation/filesystems/proc.rst, kernel/fork.c, kernel/freezer.c.
"""

from typing import Dict, List, NamedTuple, Optional, Tuple

from shipworthy.probes.parts.stats import Stat, Stats, read_stats
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import number

_NAMED = 64
"""Processes of a kind that are told one by one."""
_VFORK = ("wait_for_vfork_done", "kernel_clone", "_do_fork", "do_fork")
_FREEZER = ("__refrigerator", "refrigerator")
"""Where a paused container's processes wait, by control groups of version 1: somebody wanted that."""
_VOLUNTARY, _INVOLUNTARY = b"voluntary_ctxt_switches", b"nonvoluntary_ctxt_switches"


class Waiting(NamedTuple):
    """A process that waits in the kernel, deaf to signals, and has not run once in between."""

    pid: int
    comm: str
    start_ticks: int
    waits_in: Optional[str]
    """The kernel's function; only root is told."""


class Stopped(NamedTuple):
    """A process that somebody stopped, and that has no terminal from which it would be set going again."""

    pid: int
    comm: str
    start_ticks: int
    traced: bool
    """By a debugger, not by a signal."""


class Zombies(NamedTuple):
    """A process that has not asked for the end of its dead children."""

    pid: int
    comm: str
    start_ticks: int
    children: int


class States(NamedTuple):
    """Who was at both ends of a window in the same bad state; at most 64 of each kind are named."""

    seconds: float
    waiting: List[Waiting]
    waiting_total: int
    stopped: List[Stopped]
    stopped_total: int
    zombies: List[Zombies]
    """Most first."""
    zombies_total: int


class Sample(NamedTuple):
    """All processes at one moment, and how often those had run that were uninterruptible then."""

    stats: Stats
    switches: Dict[int, Optional[int]]
    """None where that is not told."""


def take_sample(machine: Machine, index: int) -> Sample:
    """The processes at the moment of a sample, 1 before the window. Raises OSError."""
    stats = read_stats(machine, index)
    waiting = [one for one in stats.processes.values() if one.state == "D" and not one.is_kernel_thread]
    return Sample(stats, {one.pid: _switches(machine, one.pid) for one in waiting})


def is_stuck(machine: Machine, before: Sample, after: Sample) -> bool:
    """Whether there is a process of which a longer window should tell whether it comes out of the kernel."""
    return bool(_waiting(machine, before, after))


def read_states(machine: Machine, before: Sample, after: Sample, seconds: float) -> States:
    """What was the same at both moments."""
    waiting = _waiting(machine, before, after)
    stopped = [one for one in _lasting(before, after, "Tt") if not one.terminal and not _ran(before, one)]
    zombies = _by_parent(after.stats, [one for one in _lasting(before, after, "Z") if one.is_dead])
    return States(
        seconds=round(seconds, 3),
        waiting=[Waiting(one.pid, one.comm, one.start_ticks, place) for one, place in waiting[:_NAMED]],
        waiting_total=len(waiting),
        stopped=[Stopped(one.pid, one.comm, one.start_ticks, one.state == "t") for one in stopped[:_NAMED]],
        stopped_total=len(stopped),
        zombies=zombies[:_NAMED],
        zombies_total=sum(each.children for each in zombies),
    )


def parse_switches(data: bytes, path: str, *, involuntary: bool = True) -> Optional[int]:
    """How often a process was switched out, by its `status`: of its own will, and also otherwise.

    None where the kernel does not tell, as gVisor's.
    """
    total = 0
    for name in (_VOLUNTARY, _INVOLUNTARY) if involuntary else (_VOLUNTARY,):
        at = data.find(b"\n" + name + b":")
        if at < 0:
            return None
        value = data[at + len(name) + 2 :].split(b"\n", 1)[0].strip()
        total += number(value.decode("utf-8", "surrogateescape"), path, name.decode())
    return total


def _switches(machine: Machine, pid: int) -> Optional[int]:
    path = "/proc/{}/status".format(pid)
    try:
        data = machine.read_bytes(path)
    except OSError:
        return None
    return parse_switches(data, path)


def _lasting(before: Sample, after: Sample, states: str) -> List[Stat]:
    """The processes that were in one of these states at both moments, by number."""
    found = []
    for pid, now in sorted(after.stats.processes.items()):
        if now.state in states:
            then = before.stats.processes.get(pid)
            if then is not None and then.is_same(now) and then.state in states:
                found.append(now)
    return found


def _ran(before: Sample, now: Stat) -> bool:
    """Whether it ran in between, as one that is traced may do over and over."""
    then = before.stats.processes[now.pid]
    return (then.ticks, then.faults) != (now.ticks, now.faults)


def _waiting(machine: Machine, before: Sample, after: Sample) -> List[Tuple[Stat, Optional[str]]]:
    found = []
    for one in _lasting(before, after, "D"):
        if one.is_kernel_thread or before.switches.get(one.pid) != after.switches.get(one.pid):
            continue  # some kernel threads are in this state all their lives
        place = _place(machine, one.pid)
        if place not in _FREEZER and place not in _VFORK and not (place is None and _lent_its_memory(one, after.stats)):
            found.append((one, place))
    return found


def _place(machine: Machine, pid: int) -> Optional[str]:
    """Where in the kernel a process waits; whoever is not root reads 0."""
    try:
        place = machine.read("/proc/{}/wchan".format(pid)).strip()
    except OSError:
        return None
    return place if place not in ("", "0") else None


def _lent_its_memory(one: Stat, stats: Stats) -> bool:
    """Whether it waits for a child of vfork, which runs in its parent's memory until it executes something."""
    memory = (one.comm, one.size_bytes, one.rss_pages)
    return any(
        child.parent == one.pid and (child.comm, child.size_bytes, child.rss_pages) == memory
        for child in stats.processes.values()
    )


def _by_parent(stats: Stats, dead: List[Stat]) -> List[Zombies]:
    counts: Dict[int, int] = {}
    for one in dead:
        counts[one.parent] = counts.get(one.parent, 0) + 1
    found = []
    for pid, count in counts.items():
        parent = stats.processes.get(pid)
        found.append(Zombies(pid, parent.comm if parent else "?", parent.start_ticks if parent else 0, count))
    return sorted(found, key=lambda each: (-each.children, each.pid))
