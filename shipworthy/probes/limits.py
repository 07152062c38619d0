"""Limits: how near the kernel, the network, control groups, users and processes are to theirs, and which were hit.

In: which parts are wanted. Out: `Limits`: for everything that can run out what is used, how much there is, and what
happens then. What could not be seen has its reason in `unseen`, by field and name (`kernel.file handles`); what nothing
limits here is left out. Source: linux.md, section 7.
"""

from typing import Dict, Generator, List, NamedTuple, Optional

from shipworthy.probes.parts.cgroups import mounts
from shipworthy.probes.parts.headroom import Headroom, Row, fullest, read_rows, setting
from shipworthy.probes.parts.kernel_log import read_log
from shipworthy.probes.parts.kernel_tables import FILE_HANDLES, kernel_rows, network_rows
from shipworthy.probes.parts.limit_hits import FORK_REFUSED, LogHit, hits_in, read_counts
from shipworthy.probes.parts.loadavg import LOADAVG, parse_tasks
from shipworthy.probes.parts.oom_groups import contained
from shipworthy.probes.parts.process_limits import holders_of_files, of_processes, read_bounds
from shipworthy.probes.parts.task_groups import TaskGroups, read_task_groups
from shipworthy.probes.parts.user_limits import of_users
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.seen import Eyes

VERSION = 1

OTHERS_LOG = "the kernel's log tells of other containers too"

_NOT_ASKED = "not asked"


class Request(NamedTuple):
    """Which parts are wanted."""

    kernel: bool = True
    network: bool = True
    tasks: bool = True
    """Tasks of the machine, and of every control group."""
    processes: bool = True
    """Every process's own limits: reads every /proc/PID/{status,limits,fd}."""
    users: bool = True
    """What all processes of a user may have together: reads the same."""
    hits: bool = True
    """What was hit already: the kernel's log, and counters at both ends of the window."""
    least: int = 32
    """Limits of processes, users and groups that are lower forbid something, and bound nothing."""
    caches: List[str] = []  # noqa: RUF012 -- never changed: a NamedTuple's default
    """Programs that keep files open as a cache, up to their limit of descriptors."""
    top: int = 5
    """How many of each kind are told, the nearest to their limits."""


class Hits(NamedTuple):
    """Limits that were hit."""

    log: Optional[List[LogHit]]
    risen: Dict[str, int]
    """Of `Limits.counters`, those that rose in the window, and by how much."""


class Limits(NamedTuple):
    """The reading."""

    kernel: Optional[List[Headroom]]
    network: Optional[List[Headroom]]
    tasks: Optional[List[Headroom]]
    processes: Optional[List[Headroom]]
    users: Optional[List[Headroom]]
    hits: Optional[Hits]
    counters: Dict[str, int]
    """Hits since boot, to be compared with an earlier run's: by kind, those of a control group `kind: group`."""
    unseen: Dict[str, str]


READING = Limits


def probe(machine: Machine, request: Request) -> Generator[None, float, Limits]:
    """Measure. Yields when hits are wanted."""
    eyes = Eyes(machine)
    before: Dict[str, int] = {}
    if request.hits:
        before = _counters(eyes, 1)
        yield
    after = _counters(eyes, 2) if request.hits else {}
    bounds = eyes.see("processes", lambda: read_bounds(eyes)) if request.processes or request.users else None
    if bounds is None:
        eyes.unseen["users"] = eyes.unseen.get("processes", _NOT_ASKED)
    asked = {name: getattr(request, name) for name in ("kernel", "network", "tasks", "processes", "users", "hits")}
    eyes.unseen.update({name: _NOT_ASKED for name, wanted in asked.items() if not wanted})
    least, top = request.least, request.top
    processes = None
    if request.processes and bounds is not None:
        processes = of_processes(eyes, bounds, least, request.caches, top)
    return Limits(
        kernel=_kernel(eyes) if request.kernel else None,
        network=read_rows(eyes, "network", network_rows(machine)) if request.network else None,
        tasks=_tasks(eyes, least, top) if request.tasks else None,
        processes=processes,
        users=of_users(eyes, bounds, least, top) if request.users and bounds is not None else None,
        hits=_hits(eyes, before, after) if request.hits else None,
        counters=after,
        unseen=eyes.unseen,
    )


def _kernel(eyes: Eyes) -> List[Headroom]:
    """Who holds the file handles is a dear question, so it is only asked when they are half gone."""
    rows = read_rows(eyes, "kernel", kernel_rows(eyes.machine))
    for index, row in enumerate(rows):
        if row.what == FILE_HANDLES and row.percent > 50:
            rows[index] = row._replace(by=eyes.see("kernel.holders", lambda: holders_of_files(eyes.machine)) or [])
    return rows


def _tasks(eyes: Eyes, least: int, top: int) -> List[Headroom]:
    machine = eyes.machine

    def by(name: str) -> Row:
        return Row("tasks, by kernel." + name, "EAGAIN", lambda: (_all(machine), setting(machine, "kernel/" + name)))

    found = read_rows(eyes, "tasks", [by("pid_max"), by("threads-max")])
    groups = eyes.see("tasks.groups", lambda: read_task_groups(machine, 2))
    if groups is None:
        return found
    _tell_of_cut(eyes, groups)
    return found + fullest((each for each in groups.bounded if each.limit >= least), top)


def _all(machine: Machine) -> int:
    return parse_tasks(machine.read(LOADAVG))


def _counters(eyes: Eyes, sample: int) -> Dict[str, int]:
    found = read_counts(eyes.machine)
    groups = eyes.see("tasks.groups", lambda: read_task_groups(eyes.machine, sample))
    if groups is not None:
        found.update({"{}: {}".format(FORK_REFUSED, path): count for path, count in groups.refused.items()})
    return found


def _hits(eyes: Eyes, before: Dict[str, int], after: Dict[str, int]) -> Hits:
    log = eyes.see("hits.log", lambda: _log(eyes.machine))
    risen = {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)}
    return Hits(log, risen)


def _log(machine: Machine) -> List[LogHit]:
    if contained(machine, mounts(machine)):
        raise NotSeen(OTHERS_LOG)
    return hits_in(read_log(machine), machine.kernel_seconds())


def _tell_of_cut(eyes: Eyes, groups: TaskGroups) -> None:
    if groups.cut:
        eyes.unseen["tasks.others"] = "there are too many control groups to look into each"
