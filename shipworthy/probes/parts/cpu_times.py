"""What every core did with its time: the kernel's accounts, and the shares that two of them make.

In: /proc/stat, /proc/self/stat, /proc/self/status. Out: `Accounts`, and `Shares` of the time between two of them.
Source: proc_stat(5), Documentation/filesystems/proc.rst, kernel/sched/cputime.c.
"""

from typing import Dict, Iterable, List, NamedTuple, Optional, Set

from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import MEBIBYTE, Machine
from shipworthy.probes.runtime.parse import lines_of, number

STAT = "/proc/stat"
_MAY_GO_BACK = ("idle", "iowait", "steal")
"""proc_stat(5): iowait may decrease; idle and steal have done so when cores went offline and guests moved."""


class Times(NamedTuple):
    """Ticks since boot that a core spent in each way; guests' time is in `user` and `nice` already."""

    user: int
    nice: int
    system: int
    idle: int
    iowait: int
    irq: int
    softirq: int
    steal: int

    @property
    def work(self) -> int:
        return self.user + self.nice + self.system + self.irq + self.softirq


class Accounts(NamedTuple):
    """/proc/stat at one moment."""

    cores: Dict[int, Times]
    """Those that are online."""
    running: int
    """Tasks that run or could: the one that reads this is among them."""
    blocked: int
    """Tasks that wait for a disk."""


class Shares(NamedTuple):
    """What became of the time, in percent of the time that a hypervisor left; `steal_percent` is what it took.

    Time that is waited for a disk is idle time: `iowait_percent` is a part of it that only some kernels tell well.
    """

    busy_percent: float
    user_percent: float
    system_percent: float
    irq_percent: float
    softirq_percent: float
    iowait_percent: float
    steal_percent: float


class Own(NamedTuple):
    """This process, and the ticks that it and its finished children have used."""

    pid: int
    user: int
    system: int


def read_accounts(machine: Machine) -> Accounts:
    """Raises OSError, ParseError; NotSeen where the kernel keeps no account."""
    # The line of interrupts is long on large machines.
    return parse_accounts(machine.read(STAT, 8 * MEBIBYTE))


def parse_accounts(text: str, path: str = STAT) -> Accounts:
    """The lines of single cores, and the counts of tasks. Where there is but the sum of all cores, it is core 0."""
    cores: Dict[int, Times] = {}
    whole: Optional[Times] = None
    counts: Dict[str, int] = {}
    for index, line in enumerate(lines_of(text), 1):
        name, _, rest = line.partition(" ")
        if name == "cpu":
            whole = _times(rest, path, index)
        elif name.startswith("cpu"):
            cores[number(name[3:], path, "line {}: the core".format(index))] = _times(rest, path, index)
        elif name in ("procs_running", "procs_blocked"):
            counts[name] = number(rest.strip(), path, "line {}: {}".format(index, name))
    if whole is None:
        raise ParseError("{}: no line begins with 'cpu '".format(path))
    if not any(whole):
        raise NotSeen("{} keeps no account of time here".format(path))
    for name in ("procs_running", "procs_blocked"):
        if name not in counts:
            raise ParseError("{}: no line begins with '{}'".format(path, name))
    return Accounts(cores or {0: whole}, counts["procs_running"], counts["procs_blocked"])


def parse_cores(text: str, path: str) -> Set[int]:
    """A list of cores as the kernel writes it, `0-3,8`."""
    found: Set[int] = set()
    for part in text.strip().split(","):
        first, dash, last = part.partition("-")
        low = number(first, path, repr(part))
        high = number(last, path, repr(part)) if dash else low
        if high < low or high > 65535:
            raise ParseError("{}: {!r} is not a range of cores".format(path, part))
        found.update(range(low, high + 1))
    return found


def allowed_cores(machine: Machine) -> Set[int]:
    """The cores that this process may run on: its cpuset and its affinity. Raises NotSeen, OSError, ParseError."""
    path = "/proc/self/status"
    for line in lines_of(machine.read(path)):
        if line.startswith("Cpus_allowed_list:"):
            return parse_cores(line.partition(":")[2], path)
    raise NotSeen("{} has no Cpus_allowed_list".format(path))


def read_own(machine: Machine) -> Own:
    """What the probes themselves have used so far; nothing where that is not told."""
    path = "/proc/self/stat"
    try:
        text = machine.read(path)
    except OSError:
        return Own(0, 0, 0)
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    if len(fields) < 15:
        raise ParseError("{}: not a line of statistics: {!r}".format(path, text[:80]))
    ticks = [number(fields[at], path, "field {}".format(at + 3)) for at in (11, 12, 13, 14)]
    pid = number(head.partition(" ")[0], path, "field 1")
    return Own(pid, ticks[0] + ticks[2], ticks[1] + ticks[3])


def spent(before: Times, after: Times) -> Times:
    """The ticks between two moments. Raises NotSeen when a count went back that never should: no rate of anything."""
    ticks = {}
    for name, old, new in zip(Times._fields, before, after):
        if new < old and name not in _MAY_GO_BACK:
            raise NotSeen("{}: {} went back from {} to {}".format(STAT, name, old, new))
        ticks[name] = max(0, new - old)
    return Times(**ticks)


def spent_by_core(before: Accounts, after: Accounts) -> Dict[int, Times]:
    """The ticks of each core that was online at both moments; one whose count went back is left out."""
    found = {}
    for core, now in after.cores.items():
        if core in before.cores:
            try:
                found[core] = spent(before.cores[core], now)
            except NotSeen:
                continue
    return found


def together(cores: Iterable[Times]) -> Times:
    """The sum over cores. Raises NotSeen when there is none."""
    columns: List[int] = [sum(column) for column in zip(*cores)]
    if not columns:
        raise NotSeen("{} tells of no core at both ends of the window".format(STAT))
    return Times(*columns)


def without(times: Times, own: Own) -> Times:
    """`times` as they would be had the probes not run: they are niced, and what they used would have been idle."""
    nice = min(times.nice, own.user)
    user = min(times.user, own.user - nice)  # niceness may be forbidden
    system = min(times.system, own.system)
    return times._replace(
        nice=times.nice - nice,
        user=times.user - user,
        system=times.system - system,
        idle=times.idle + nice + user + system,
    )


def shares(times: Times) -> Shares:
    """Raises NotSeen when a hypervisor took everything."""
    total = sum(times)
    left = total - times.steal
    if total and not left:
        raise NotSeen("the hypervisor gave no time at all")

    def percent(ticks: int, whole: int) -> float:
        return round(100.0 * ticks / whole, 4) if whole else 0.0  # no tick at all: nothing ran

    return Shares(
        busy_percent=percent(times.work, left),
        user_percent=percent(times.user + times.nice, left),
        system_percent=percent(times.system, left),
        irq_percent=percent(times.irq, left),
        softirq_percent=percent(times.softirq, left),
        iowait_percent=percent(times.iowait, left),
        steal_percent=percent(times.steal, total),
    )


def _times(rest: str, path: str, line: int) -> Times:
    """The columns after the name. Kernels before 2.6.11 have seven; those after the eighth are in user and nice."""
    fields = rest.split()
    if len(fields) < 7:
        raise ParseError("{}: line {}: {} columns of time, not at least 7".format(path, line, len(fields)))
    ticks = [number(field, path, "line {}: column {}".format(line, at)) for at, field in enumerate(fields[:8], 1)]
    return Times(*(ticks + [0])[:8])
