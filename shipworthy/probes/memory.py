"""Memory: what is free, what is swapped and how fast, who waits for memory, who was killed for it, and who can fork.

In: which parts are wanted. Out: `Memory`; sizes in bytes, rates over the window. What could not be seen is None, with
its reason in `unseen` by dotted field name (`pressure.full_percent`); so is a part that was not asked for.
Source: linux.md, section 1; Documentation/filesystems/proc.rst, admin-guide/cgroup-v2.rst, accounting/psi.rst.
"""

from typing import Dict, Generator, List, NamedTuple, Optional

from shipworthy.probes.parts.cgroups import CgroupLimit, bounds_or_none, memory_limits, mounts, parse_cgroup
from shipworthy.probes.parts.forkers import Forker, read_forkers
from shipworthy.probes.parts.oom import Oom, read_oom
from shipworthy.probes.parts.oom_groups import contained
from shipworthy.probes.parts.processes import Processes, read_processes, read_statuses
from shipworthy.probes.parts.swap import Swap, read_swap
from shipworthy.probes.parts.traffic import Pressure, Sample, Traffic, read_pressure, read_traffic, take_sample
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import KIBIBYTE, Table, number, only_number, parse_meminfo
from shipworthy.probes.runtime.seen import Eyes, table

VERSION = 1
SIGNED = ("priority",)
"""The fields that may be less than 0."""

_NOT_ASKED = "not asked"


class Request(NamedTuple):
    """Which parts are wanted, and above which rates one short window is not enough to judge by."""

    rates: bool = True
    """Traffic and pressure: needs the sampling window."""
    processes: bool = True
    """Who is in swap, and who is largest: reads every /proc/PID/status."""
    oom: bool = True
    """What was killed: counters, control groups, the kernel's log."""
    fork: bool = True
    """Processes with much anonymous memory, and what binds a fork of theirs."""
    fork_share_percent: float = 10.0
    """How much is much: of the machine's memory, or of what a control group around the login leaves of it."""
    top: int = 5
    """How many processes and control groups are named."""
    doubt_swap_pages_per_second: Optional[float] = None
    """To and from disk."""
    doubt_some_percent: Optional[float] = None
    doubt_full_percent: Optional[float] = None
    doubt_stalls_per_second: Optional[float] = None
    """This and the next count only where there is no PSI."""
    doubt_refaults_per_second: Optional[float] = None
    """Of anonymous pages; where the kernel does not tell them apart, refaults are no sign."""


class Ram(NamedTuple):
    """The machine's memory. A container sees its host's here; its own bounds are in `Memory.limits`."""

    total_bytes: Optional[int]
    free_bytes: Optional[int]
    available_bytes: Optional[int]
    """MemAvailable; before Linux 3.14 the kernel's estimate made here (`available_estimated`)."""
    available_percent: Optional[float]
    """Of the total without what is reserved for huge pages, which nothing else can use."""
    available_estimated: bool
    anonymous_bytes: Optional[int]
    shmem_bytes: Optional[int]
    """tmpfs, SysV and other shared memory that is in RAM."""
    page_tables_bytes: Optional[int]
    unreclaimable_slab_bytes: Optional[int]
    huge_pages_bytes: Optional[int]
    """Reserved for huge pages of the default size, used or not."""
    huge_pages_free_bytes: Optional[int]
    huge_pages_all_bytes: Optional[int]
    """Reserved for huge pages of all sizes (Hugetlb, Linux 4.16; before, those of the default size)."""
    hardware_corrupted_bytes: Optional[int]


class Commit(NamedTuple):
    """The kernel's promises of memory."""

    overcommit_mode: Optional[int]
    """0 heuristic, 1 always, 2 never: only then does `limit_bytes` bind."""
    limit_bytes: Optional[int]
    committed_bytes: Optional[int]
    admin_reserve_bytes: Optional[int]
    user_reserve_bytes: Optional[int]


class Tasks(NamedTuple):
    """Processes and threads of the whole machine, and what bounds them."""

    total: Optional[int]
    pid_max: Optional[int]
    threads_max: Optional[int]


class Memory(NamedTuple):
    """The reading."""

    ram: Ram
    swap: Swap
    traffic: Optional[Traffic]
    pressure: Optional[Pressure]
    commit: Commit
    tasks: Tasks
    limits: Optional[List[CgroupLimit]]
    """The control groups that bound the login itself, innermost first: in a container, the container's. May be none."""
    oom: Optional[Oom]
    processes: Optional[Processes]
    forkers: Optional[List[Forker]]
    """Processes with more anonymous memory than `forkers_above_bytes`, largest first."""
    forkers_above_percent: float
    """The share that was asked for; of this host's memory:"""
    forkers_above_bytes: Optional[int]
    counters: Dict[str, int]
    """Events since boot to be compared with an earlier run's: `oom_kill`; of these by the control groups' account
    `oom_kill_cgroup` at a limit, `oom_kill_machine` for the machine's sake."""
    unseen: Dict[str, str]


READING = Memory


def probe(machine: Machine, request: Request) -> Generator[None, float, Memory]:
    """Measure. Yields once when rates are wanted, and again when they look too high to judge them by one window."""
    eyes = Eyes(machine)
    traffic, pressure = None, None
    if request.rates:
        before = take_sample(machine)
        seconds = yield
        after = take_sample(machine)
        if in_doubt(request, machine, before, after, seconds):
            seconds = yield
            after = take_sample(machine)
        traffic = read_traffic(eyes, before, after, seconds)
        pressure = read_pressure(eyes, before, after, seconds)
    return _read(eyes, request, traffic, pressure)


def in_doubt(request: Request, machine: Machine, before: Sample, after: Sample, seconds: float) -> bool:
    """Whether a rate is above what the request doubts."""
    eyes = Eyes(machine)
    traffic = read_traffic(eyes, before, after, seconds)
    pressure = read_pressure(eyes, before, after, seconds)
    pairs = [
        (traffic.disk_in_pages_per_second, request.doubt_swap_pages_per_second),
        (traffic.disk_out_pages_per_second, request.doubt_swap_pages_per_second),
        (pressure.some_percent, request.doubt_some_percent),
        (pressure.full_percent, request.doubt_full_percent),
    ]
    if pressure.some_percent is None:
        pairs.append((traffic.allocation_stalls_per_second, request.doubt_stalls_per_second))
        if traffic.refaults_are_anonymous:
            pairs.append((traffic.refaults_per_second, request.doubt_refaults_per_second))
    return any(rate is not None and bound is not None and rate > bound for rate, bound in pairs)


def _read(eyes: Eyes, request: Request, traffic: Optional[Traffic], pressure: Optional[Pressure]) -> Memory:
    """Everything that has no rate, after the window, so that the probe does not disturb it."""
    machine = eyes.machine
    meminfo = table(machine, "/proc/meminfo", parse_meminfo)
    ram = _ram(eyes, meminfo)
    swap = read_swap(eyes, meminfo)
    oom = read_oom(eyes, request.top) if request.oom else None
    statuses = read_statuses(eyes) if request.processes or request.fork else []
    processes = read_processes(eyes, statuses, request.top, swap.used_bytes) if request.processes else None
    limits = eyes.see("limits", lambda: _limits(machine))
    much = eyes.see(
        "forkers_above_bytes",
        lambda: int(_all_memory(machine, ram.total_bytes, limits) * request.fork_share_percent / 100),
    )
    forkers = eyes.see("forkers", lambda: read_forkers(eyes, statuses, request.top, much)) if request.fork else None
    asked = {"traffic": request.rates, "pressure": request.rates, "oom": request.oom}
    asked.update(processes=request.processes, forkers=request.fork)
    eyes.unseen.update({name: _NOT_ASKED for name, wanted in asked.items() if not wanted})
    return Memory(
        ram=ram,
        swap=swap,
        traffic=traffic,
        pressure=pressure,
        commit=_commit(eyes, meminfo),
        tasks=_tasks(eyes),
        limits=limits,
        oom=oom,
        processes=processes,
        forkers=forkers,
        forkers_above_percent=request.fork_share_percent,
        forkers_above_bytes=much,
        counters=_counters(oom),
        unseen=eyes.unseen,
    )


def _ram(eyes: Eyes, meminfo: Table) -> Ram:
    def size(field: str, name: str) -> Optional[int]:
        return eyes.see("ram." + field, lambda: meminfo.value(name))

    def pages(field: str, name: str) -> Optional[int]:
        return eyes.see("ram." + field, lambda: meminfo.value(name) * meminfo.value("Hugepagesize"))

    total, free = size("total_bytes", "MemTotal"), size("free_bytes", "MemFree")
    told = meminfo.has("MemAvailable")
    available = eyes.see("ram.available_bytes", lambda: _available(eyes.machine, meminfo))
    for name, value in (("MemFree", free), ("MemAvailable", available)):
        if total is not None and value is not None and value > total:
            raise ParseError("{}: {} is more than MemTotal".format(meminfo.path, name))
    huge, huge_free = pages("huge_pages_bytes", "HugePages_Total"), pages("huge_pages_free_bytes", "HugePages_Free")
    all_huge = size("huge_pages_all_bytes", "Hugetlb") if meminfo.has("Hugetlb") else huge
    if all_huge is None:
        eyes.unseen["ram.huge_pages_all_bytes"] = eyes.unseen["ram.huge_pages_bytes"]
    percent = eyes.see("ram.available_percent", lambda: _percent(available, total, all_huge or 0))
    return Ram(
        total_bytes=total,
        free_bytes=free,
        available_bytes=available,
        available_percent=percent,
        available_estimated=available is not None and not told,
        anonymous_bytes=size("anonymous_bytes", "AnonPages"),
        shmem_bytes=size("shmem_bytes", "Shmem"),
        page_tables_bytes=size("page_tables_bytes", "PageTables"),
        unreclaimable_slab_bytes=size("unreclaimable_slab_bytes", "SUnreclaim"),
        huge_pages_bytes=huge,
        huge_pages_free_bytes=huge_free,
        huge_pages_all_bytes=all_huge,
        hardware_corrupted_bytes=size("hardware_corrupted_bytes", "HardwareCorrupted"),
    )


def _available(machine: Machine, meminfo: Table) -> int:
    """MemAvailable; where the kernel is older than it, its formula on what that kernel tells.

    Source: Linux 3.14, commit 34e431b0ae39; a zone's low watermark is 5/4 of its minimum, as in procps.
    """
    if meminfo.unseen or meminfo.has("MemAvailable"):
        return meminfo.value("MemAvailable")
    low = only_number(machine.read("/proc/sys/vm/min_free_kbytes"), "/proc/sys/vm/min_free_kbytes") * KIBIBYTE * 5 // 4
    cache = meminfo.value("Active(file)") + meminfo.value("Inactive(file)")
    slab = meminfo.value("SReclaimable")
    estimate = meminfo.value("MemFree") - low + cache - min(cache // 2, low) + slab - min(slab // 2, low)
    return max(0, estimate)


def _percent(part: Optional[int], whole: Optional[int], reserved: int) -> float:
    if part is None or not whole or reserved >= whole:
        raise NotSeen("available memory, or all of it, is not known")
    return min(100.0, round(100.0 * part / (whole - reserved), 4))


def _all_memory(machine: Machine, total: Optional[int], limits: Optional[List[CgroupLimit]]) -> int:
    """All the memory that processes here may have: the machine's, or what a container is left of it."""
    if total is None:
        raise NotSeen("the size of the memory is not known")
    bounds = [each.max_bytes for each in limits or () if each.max_bytes is not None]
    return min([total] + bounds) if bounds and contained(machine, mounts(machine)) else total


def _commit(eyes: Eyes, meminfo: Table) -> Commit:
    def setting(field: str, name: str, unit: int) -> Optional[int]:
        path = "/proc/sys/vm/" + name
        return eyes.see("commit." + field, lambda: only_number(eyes.machine.read(path), path) * unit)

    return Commit(
        overcommit_mode=setting("overcommit_mode", "overcommit_memory", 1),
        limit_bytes=eyes.see("commit.limit_bytes", lambda: meminfo.value("CommitLimit")),
        committed_bytes=eyes.see("commit.committed_bytes", lambda: meminfo.value("Committed_AS")),
        admin_reserve_bytes=setting("admin_reserve_bytes", "admin_reserve_kbytes", KIBIBYTE),
        user_reserve_bytes=setting("user_reserve_bytes", "user_reserve_kbytes", KIBIBYTE),
    )


def _tasks(eyes: Eyes) -> Tasks:
    def setting(field: str, name: str) -> Optional[int]:
        path = "/proc/sys/kernel/" + name
        return eyes.see("tasks." + field, lambda: only_number(eyes.machine.read(path), path))

    total = eyes.see("tasks.total", lambda: parse_tasks(eyes.machine.read("/proc/loadavg")))
    return Tasks(total, setting("pid_max", "pid_max"), setting("threads_max", "threads-max"))


def parse_tasks(text: str, path: str = "/proc/loadavg") -> int:
    """All tasks of the machine, from the fourth field, `running/all`."""
    fields = text.split()
    slash = fields[3].partition("/") if len(fields) == 5 else ("", "", "")
    return number(slash[2], path, "field 4 of {!r}".format(text.strip()))


def _limits(machine: Machine) -> List[CgroupLimit]:
    path = "/proc/self/cgroup"
    return bounds_or_none(lambda: memory_limits(machine, mounts(machine), parse_cgroup(machine.read(path), path)))


def _counters(oom: Optional[Oom]) -> Dict[str, int]:
    if oom is None or oom.kills is None:
        return {}
    counted = {"oom_kill": oom.kills}
    if oom.groups is not None:
        counted.update(oom_kill_cgroup=oom.groups.at_limit, oom_kill_machine=oom.groups.for_machine)
    return counted
