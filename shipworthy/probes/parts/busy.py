"""Threads that keep a core to themselves, and whether anything else about them moves.

In: every process's statistics before and after the short window; of those that look busy, their threads' before and
after the rest of a long one. Out: `Busy`. A thread that is never switched out of its own will, reads and writes nothing
and touches no new memory may compute, or may go in circles: nobody can tell from outside.
Source: proc_pid_stat(5), proc_pid_io(5).
"""

import os
from typing import Dict, List, NamedTuple, Optional, Tuple

from shipworthy.probes.parts.stats import Stat, Stats, read_threads
from shipworthy.probes.parts.stuck import parse_switches
from shipworthy.probes.runtime.machine import Machine

_SUSPECTS = 16
_THREADS = 4000
"""Threads that are read in all; those of the busiest processes first."""
_NAMED = 16


class Thread(NamedTuple):
    """A thread, and how much of one core it had."""

    pid: int
    comm: str
    """Of its process."""
    thread: int
    name: str
    percent: float
    spins: Optional[bool]
    """Nothing else of it moved; None where this user may not see its input and output."""


class Busy(NamedTuple):
    """How busy the busiest are."""

    seconds: float
    """The window: the short one, or the rest of the long one when a process was doubted."""
    highest_percent: float
    """Of one core, had by one thread; when nobody was doubted, by one process with all its threads."""
    threads: List[Thread]
    """Of the processes that were doubted, most busy first."""


class Progress(NamedTuple):
    """What moves while a thread gets on; None what this kernel does not tell, or not to this user."""

    switches: Optional[int]
    io: Optional[str]


class Watch(NamedTuple):
    """The threads of processes that look busy, at one moment."""

    threads: Stats
    owners: Dict[int, Stat]
    progress: Dict[int, Progress]


def suspects(machine: Machine, before: Stats, after: Stats, seconds: float, percent: float) -> List[Stat]:
    """The processes that had more than `percent` of a core between two moments, most first; this one is none."""
    shares = [(share, one) for share, one in _shares(machine, before, after, seconds) if share > percent]
    return [one for _, one in sorted(shares, key=lambda pair: (-pair[0], pair[1].pid))[:_SUSPECTS]]


def watch(machine: Machine, processes: List[Stat]) -> Watch:
    """Their threads now."""
    threads: Dict[int, Stat] = {}
    owners: Dict[int, Stat] = {}
    progress: Dict[int, Progress] = {}
    at = machine.now()
    for one in processes:
        if len(threads) + one.threads > _THREADS and threads:
            break
        for number, thread in read_threads(machine, one.pid).items():
            threads[number], owners[number] = thread, one
            if thread.state == "R":
                moved = _progress(machine, one.pid, number)
                if moved is not None:
                    progress[number] = moved
    return Watch(Stats(at, threads), owners, progress)


def read_busy(machine: Machine, before: Stats, after: Stats, seconds: float) -> Busy:
    """Nobody was doubted: the busiest process's share."""
    highest = max([share for share, _ in _shares(machine, before, after, seconds)] or [0.0])
    return Busy(round(seconds, 3), round(highest, 2), [])


def read_threads_between(machine: Machine, before: Watch, after: Watch, seconds: float) -> Busy:
    """The threads of those that were doubted, over the rest of the long window."""
    found = []
    for share, thread in _shares(machine, before.threads, after.threads, seconds):
        owner = before.owners[thread.pid]
        spins = _spins(before, after, thread.pid)
        found.append(Thread(owner.pid, owner.comm, thread.pid, thread.comm, round(min(100.0, share), 2), spins))
    found.sort(key=lambda one: (-one.percent, one.thread))
    return Busy(round(seconds, 3), found[0].percent if found else 0.0, found[:_NAMED])


def _shares(machine: Machine, before: Stats, after: Stats, seconds: float) -> List[Tuple[float, Stat]]:
    """What each had of one core in percent; of those that were there at both moments."""
    if seconds <= 0:
        return []
    own = 0 if machine.recorded else os.getpid()
    scale = 100.0 / machine.ticks_per_second() / seconds
    found = []
    for pid, now in after.processes.items():
        then = before.processes.get(pid)
        if then is not None and then.is_same(now) and pid != own and not now.is_kernel_thread:
            found.append((max(0, now.ticks - then.ticks) * scale, now))
    return found


def _spins(before: Watch, after: Watch, number: int) -> Optional[bool]:
    then, now = before.progress.get(number), after.progress.get(number)
    if then is None or now is None or (then.switches is not None and then.switches != now.switches):
        return False  # it rested at one of the moments, or in between
    if before.threads.processes[number].faults != after.threads.processes[number].faults:
        return False
    if then.switches is None or then.io is None or now.io is None:
        return None
    return then.io == now.io


def _progress(machine: Machine, pid: int, thread: int) -> Optional[Progress]:
    folder = "/proc/{}/task/{}".format(pid, thread)
    try:
        status = machine.read_bytes(folder + "/status")
    except OSError:
        return None
    try:
        io: Optional[str] = machine.read(folder + "/io")
    except OSError:
        io = None
    return Progress(parse_switches(status, folder + "/status", involuntary=False), io)
