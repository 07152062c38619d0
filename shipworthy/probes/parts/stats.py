"""Every process's line of statistics, at one moment: what ran, who started it, what it has used of a CPU.

In: /proc/PID/stat of all. Out: `Stats`. Processes that vanish meanwhile, and those that are hidden, are left out.
Source: proc_pid_stat(5), fs/proc/array.c.
"""

import time
from typing import Dict, Iterable, NamedTuple, Optional, Tuple

from shipworthy.probes.runtime.errors import ParseError
from shipworthy.probes.runtime.machine import Machine

_CLOCK_BOOTTIME = 7  # time.CLOCK_BOOTTIME, which Python has since 3.7
_PF_KTHREAD = 0x00200000  # include/linux/sched.h
_GONE = (FileNotFoundError, NotADirectoryError, ProcessLookupError)


class Stat(NamedTuple):
    """One process, or one thread, at one moment. (pid, start_ticks) is what it is known by, also when pids come again.

    Times are in ticks (`machine.ticks_per_second()`): `ticks` is what it ran so far, in user and system mode.
    """

    pid: int
    comm: str
    state: str
    """As the kernel has it: R running, S sleeping, D uninterruptible, T stopped, t traced, Z zombie, I idle, …"""
    parent: int
    terminal: int
    """The device number of its controlling terminal; 0 without one, as daemons are."""
    flags: int
    """The kernel's, PF_…: see `is_kernel_thread`."""
    faults: int
    """Page faults so far, minor and major."""
    ticks: int
    threads: int
    start_ticks: int
    size_bytes: int
    rss_pages: int

    @property
    def is_kernel_thread(self) -> bool:
        return bool(self.flags & _PF_KTHREAD)

    @property
    def is_dead(self) -> bool:
        """Whether nothing of it runs: the first thread of a living process may have ended before the others."""
        return self.state in "ZX" and self.threads <= 1

    def is_same(self, other: Optional["Stat"]) -> bool:
        """Whether `other` is this process, and not one that got its number later."""
        return other is not None and (self.pid, self.start_ticks) == (other.pid, other.start_ticks)


class Stats(NamedTuple):
    """All processes, or all threads of some, at one moment; `at` is when, by `machine.now()`."""

    at: float
    processes: Dict[int, Stat]


def read_stats(machine: Machine, sample: int) -> Stats:
    """The processes at the moment of a sample, 1 before the window; read once, whoever asks first. Raises OSError."""
    return machine.once("stats {}".format(sample), lambda: _read(machine))


def read_threads(machine: Machine, pid: int) -> Dict[int, Stat]:
    """The threads of one process, by their numbers; none when it is gone."""
    folder = "/proc/{}/task".format(pid)
    try:
        names = machine.list(folder)
    except _GONE:
        return {}
    return _parsed(machine, ((int(name), "{}/{}/stat".format(folder, name)) for name in names if name.isdigit()))


def between(machine: Machine, before: Stats, after: Stats, seconds: float) -> float:
    """Seconds from one sample to another; `seconds` is what a recorded tree was told."""
    return seconds if machine.recorded else after.at - before.at


def age_seconds(machine: Machine, stat: Stat) -> float:
    """How long a process runs, by the clock that stamped its start: /proc/uptime may be a container's own."""
    now = machine.uptime() if machine.recorded else time.clock_gettime(_CLOCK_BOOTTIME)
    return round(now - stat.start_ticks / machine.ticks_per_second(), 2)


def parse_stat(data: bytes, path: str) -> Stat:
    """A line of statistics; the name in it may hold blanks, parentheses and newlines, so it ends at the LAST `)`."""
    head, end, tail = data.rpartition(b")")
    pid, _, comm = head.partition(b"(")
    fields = tail.split()
    if not end or len(fields) < 22:
        raise ParseError("{}: not a line of statistics: {!r}".format(path, data[:80]))
    try:
        return Stat(
            pid=int(pid),
            comm=comm.decode("utf-8", "surrogateescape"),
            state=fields[0].decode("ascii"),
            parent=int(fields[1]),
            terminal=int(fields[4]),
            flags=int(fields[6]),
            faults=int(fields[7]) + int(fields[9]),
            ticks=int(fields[11]) + int(fields[12]),
            threads=int(fields[17]),
            start_ticks=int(fields[19]),
            size_bytes=int(fields[20]),
            rss_pages=max(0, int(fields[21])),  # a sum over CPUs without a lock: it can slip below zero
        )
    except (ValueError, UnicodeDecodeError):
        raise ParseError("{}: a field of {!r} is not a number".format(path, tail[:200])) from None


def _read(machine: Machine) -> Stats:
    at = machine.now()
    pids = [int(name) for name in machine.list("/proc") if name.isdigit()]
    return Stats(at, _parsed(machine, ((pid, "/proc/{}/stat".format(pid)) for pid in pids)))


def _parsed(machine: Machine, files: Iterable[Tuple[int, str]]) -> Dict[int, Stat]:
    found = {}
    for number, path in files:
        try:
            data = machine.read_bytes(path)
        except (PermissionError, *_GONE):  # /proc with hidepid=1 denies others' to whoever is not root
            continue
        if data:  # a tree copies what it can of a process that ends meanwhile: nothing
            found[number] = parse_stat(data, path)
    return found
