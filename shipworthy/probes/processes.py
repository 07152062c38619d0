"""Processes: who keeps a core to himself, who is stuck, stopped or dead, who forgot connections, who runs what is
deleted, which tasks the kernel reported as hung; and the services that a policy names.

In: which parts are wanted, and how to know each service. Out: `Processes`. What could not be seen is None, with its
reason in `unseen`; so is a part that was not asked for. Source: linux.md, sections 0, 2 and 10; proc(5).
"""

from typing import Dict, Generator, List, NamedTuple, Optional, Tuple

from shipworthy.probes.parts.busy import Busy, read_busy, read_threads_between, suspects, watch
from shipworthy.probes.parts.cgroups import mounts
from shipworthy.probes.parts.hung import Hung, read_hung
from shipworthy.probes.parts.leaks import Leaks, read_leaks
from shipworthy.probes.parts.oom_groups import contained
from shipworthy.probes.parts.processes import none_is_hidden
from shipworthy.probes.parts.services import Asked, Service, Wanted, read_service
from shipworthy.probes.parts.stale import Executables, read_executables
from shipworthy.probes.parts.stats import Stat, Stats, between, read_stats
from shipworthy.probes.parts.stuck import Sample, States, is_stuck, read_states, take_sample
from shipworthy.probes.parts.units import BOOTED, Unit, read_units
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.seen import Eyes

VERSION = 1


class Request(NamedTuple):
    """Which parts are wanted."""

    busy: bool = True
    """Who keeps a core to himself: needs the window."""
    states: bool = True
    """Uninterruptible, stopped and dead processes: needs the window."""
    hung: bool = True
    """What the kernel reported."""
    leaks: bool = True
    """Connections that wait to be closed, and whose they are."""
    executables: bool = True
    """Deleted ones in use, of all processes."""
    doubt_busy_percent: Optional[float] = None
    """Of one core: a process above it is looked at for longer, thread by thread."""
    services: Dict[str, Dict[str, str]] = {}  # noqa: RUF012 -- never changed: a NamedTuple's default
    """The services that policy names, and how each is known: the fields of `Wanted` that are said of it."""
    members: bool = True
    """Their processes' users and sizes."""
    stale: bool = True
    """Their deleted executables and libraries."""
    traces: bool = True
    """Whether a crash of theirs would leave a core."""


class Processes(NamedTuple):
    """The reading."""

    all_seen: Optional[bool]
    """True where this user can see every process."""
    busy: Optional[Busy]
    states: Optional[States]
    hung: Optional[Hung]
    leaks: Optional[Leaks]
    executables: Optional[Executables]
    systemd: bool
    """Whether systemd booted this host: without it there are no units."""
    services: Dict[str, Service]
    counters: Dict[str, int]
    """For the next run: `hung_tasks`, `zombies PID@start` by parent, `close_wait INODE`, and by service
    `restarts NAME` and `resident NAME PID@start`."""
    unseen: Dict[str, str]


READING = Processes


def probe(machine: Machine, request: Request) -> Generator[None, float, Processes]:
    """Measure. Yields once for what takes a window, and again when somebody looks busy or stuck."""
    eyes = Eyes(machine)
    busy, states, stats = None, None, None
    if request.busy or request.states:
        before = take_sample(machine, 1)
        seconds = yield
        after = take_sample(machine, 2)
        length = between(machine, before.stats, after.stats, seconds)
        busy = read_busy(machine, before.stats, after.stats, length) if request.busy else None
        doubted = _busy_ones(machine, request, before, after, length)
        if doubted or (request.states and is_stuck(machine, before, after)):
            watched = watch(machine, doubted)
            whole = yield
            after = take_sample(machine, 3)
            length = between(machine, before.stats, after.stats, whole)
            if doubted:
                again = watch(machine, doubted)
                rest = between(machine, watched.threads, again.threads, whole - seconds)
                busy = read_threads_between(machine, watched, again, rest)
        states = read_states(machine, before, after, length) if request.states else None
        stats = after.stats
    elif request.leaks or request.executables or request.services:
        stats = read_stats(machine, 1)
    return _read(eyes, request, stats or Stats(0.0, {}), busy, states)


def _busy_ones(machine: Machine, request: Request, before: Sample, after: Sample, seconds: float) -> List[Stat]:
    if not request.busy or request.doubt_busy_percent is None:
        return []
    return suspects(machine, before.stats, after.stats, seconds, request.doubt_busy_percent)


def _read(eyes: Eyes, request: Request, stats: Stats, busy: Optional[Busy], states: Optional[States]) -> Processes:
    """Everything that takes no window, after it."""
    machine = eyes.machine
    hung = read_hung(eyes) if request.hung else None
    leaks = eyes.see("leaks", lambda: read_leaks(eyes, stats)) if request.leaks else None
    executables = eyes.see("executables", lambda: _executables(eyes, stats)) if request.executables else None
    services = _services(eyes, request, stats) if request.services else {}
    asked = {"busy": request.busy, "states": request.states, "hung": request.hung, "leaks": request.leaks}
    asked.update(executables=request.executables)
    eyes.unseen.update({name: "not asked" for name, wanted in asked.items() if not wanted})
    return Processes(
        all_seen=eyes.see("all_seen", lambda: none_is_hidden(machine)),
        busy=busy,
        states=states,
        hung=hung,
        leaks=leaks,
        executables=executables,
        systemd=machine.exists(BOOTED),
        services=services,
        counters=dict(_counters(hung, states, leaks, services)),
        unseen=eyes.unseen,
    )


def _executables(eyes: Eyes, stats: Stats) -> Executables:
    found = read_executables(eyes.machine, stats.processes.values())
    if not found.complete:
        eyes.unseen["executables.complete"] = "other users' executables: needs root"
    return found


def _services(eyes: Eyes, request: Request, stats: Stats) -> Dict[str, Service]:
    machine = eyes.machine
    wanted = {name: Wanted(**said) for name, said in request.services.items()}
    units, no_units = _units(machine, wanted)
    parts = Asked(request.members, request.stale, request.traces)
    inside = contained(machine, mounts(machine)) if request.traces else False
    return {name: read_service(machine, one, stats, units, no_units, parts, inside) for name, one in wanted.items()}


def _units(machine: Machine, wanted: Dict[str, Wanted]) -> Tuple[Dict[str, Unit], str]:
    """The units by name, or why there are none."""
    names = sorted({one.unit for one in wanted.values() if one.unit})
    if not names:
        return {}, ""
    try:
        return read_units(machine, names), ""
    except NotSeen as reason:
        return {}, str(reason)


def _counters(
    hung: Optional[Hung], states: Optional[States], leaks: Optional[Leaks], services: Dict[str, Service]
) -> List[Tuple[str, int]]:
    found: List[Tuple[str, int]] = []
    if hung and hung.detected is not None:
        found.append(("hung_tasks", hung.detected))
    for parent in states.zombies if states else ():
        found.append(("zombies {}@{}".format(parent.pid, parent.start_ticks), parent.children))
    found += [("close_wait {}".format(socket.inode), 1) for socket in (leaks.sockets if leaks else ())]
    for name, service in services.items():
        if service.unit and service.unit.restarts is not None:
            found.append(("restarts " + name, service.unit.restarts))
        found += [("resident {} {}".format(name, key), size) for key, size in service.resident.items()]
    return found
