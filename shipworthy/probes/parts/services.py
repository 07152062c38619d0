"""The services that a policy names, found among the processes: how many, whose, how large, and what systemd says.

In: how each is to be known, every process's statistics; of those that are a service's, also status, user, limits, maps.
Out: `Service`s by the policy's names. All that is said of how to know one must be true of each of its processes.
"""

import os
import re
from typing import Dict, List, Mapping, NamedTuple, Optional

from shipworthy.probes.parts.cgroups import parse_cgroup
from shipworthy.probes.parts.cores import Trace, read_trace
from shipworthy.probes.parts.processes import GONE, parse_status, status_fields
from shipworthy.probes.parts.stale import Stale, read_executables, read_libraries
from shipworthy.probes.parts.stats import Stat, Stats, age_seconds
from shipworthy.probes.parts.units import Unit
from shipworthy.probes.parts.users import user_name
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import number
from shipworthy.probes.runtime.seen import Eyes

_LOOKED_INTO = 256
_NAMED = 8
_COMM = 15
"""Letters that the kernel keeps of a process's name."""
_DELETED = " (deleted)"


class Wanted(NamedTuple):
    """How a service is known; None: not said."""

    process: Optional[str] = None
    """The name of its processes."""
    executable: Optional[str] = None
    """The path of what they execute."""
    command: Optional[str] = None
    """A regular expression that is found in their command line, whose words are joined by blanks."""
    unit: Optional[str] = None
    """The systemd unit in whose control group they are."""


class Member(NamedTuple):
    """One process of a service."""

    pid: int
    comm: str
    start_ticks: int
    age_seconds: float
    user: str
    """The effective one; its number where it has no name."""
    resident_bytes: int


class Service(NamedTuple):
    """What is there of a service."""

    processes: Optional[int]
    """How many; 256 are looked into."""
    largest: List[Member]
    """By resident memory, 8 at most."""
    users: Optional[Dict[str, int]]
    """How many processes run as whom."""
    resident: Dict[str, int]
    """Resident bytes of each process, by `PID@start`."""
    unit: Optional[Unit]
    stale: Optional[List[Stale]]
    """Deleted executables and libraries from which it runs; empty when none is."""
    trace: Optional[Trace]
    unseen: Dict[str, str]


class Asked(NamedTuple):
    """Which parts are wanted, besides how many there are."""

    members: bool
    stale: bool
    trace: bool


def read_service(
    machine: Machine, wanted: Wanted, stats: Stats, units: Mapping[str, Unit], no_units: str, asked: Asked, inside: bool
) -> Service:
    """One service. `no_units` is why there are no units, `inside` that this is a container."""
    eyes = Eyes(machine)
    unit = units.get(wanted.unit or "")
    if unit is None:
        eyes.unseen["unit"] = no_units if wanted.unit else "policy names no unit of it"
    found = eyes.see("processes", lambda: _find(machine, wanted, stats, unit, no_units))
    some = (found or [])[:_LOOKED_INTO]
    members = [member for member in (_member(machine, one) for one in some) if member] if asked.members else []
    users = _users(members) if asked.members and found is not None else None
    stale = eyes.see("stale", lambda: _stale(machine, some)) if asked.stale else None
    trace = eyes.see("trace", lambda: _trace(machine, some, inside)) if asked.trace else None
    wants = {"users": asked.members, "stale": asked.stale, "trace": asked.trace}
    for name in (name for name, is_wanted in wants.items() if not is_wanted):
        eyes.unseen[name] = "not asked"
    if found is None:
        eyes.unseen.update(dict.fromkeys(wants, eyes.unseen["processes"]))
        stale = trace = None
    return Service(
        processes=None if found is None else len(found),
        largest=sorted(members, key=lambda one: (-one.resident_bytes, one.pid))[:_NAMED],
        users=users,
        resident={"{}@{}".format(one.pid, one.start_ticks): one.resident_bytes for one in members},
        unit=unit,
        stale=stale,
        trace=trace,
        unseen=eyes.unseen,
    )


def _find(machine: Machine, wanted: Wanted, stats: Stats, unit: Optional[Unit], no_units: str) -> List[Stat]:
    """Its processes, oldest first. Raises NotSeen when a unit is all that is said of it, and there is none."""
    if unit is None and not any((wanted.process, wanted.executable, wanted.command)):
        raise NotSeen("policy knows it by its unit alone, and {}".format(no_units))
    try:
        re.compile(wanted.command or "")
    except re.error as error:  # a newer Python's, which the policy was read by
        raise NotSeen("its command: {}".format(error)) from None
    own = 0 if machine.recorded else os.getpid()
    alive = (one for one in stats.processes.values() if not one.is_dead and not one.is_kernel_thread)
    found = [one for one in alive if one.pid != own and _is_its(machine, wanted, one, unit)]
    return sorted(found, key=lambda one: (one.start_ticks, one.pid))


def _is_its(machine: Machine, wanted: Wanted, one: Stat, unit: Optional[Unit]) -> bool:
    """What costs nothing is asked first."""
    if wanted.process and one.comm != wanted.process[:_COMM]:
        return False
    try:
        if unit is not None and not _is_in(machine, one.pid, unit):
            return False
        if wanted.executable and _executable(machine, one.pid) != wanted.executable:
            return False
        return not wanted.command or re.search(wanted.command, _command(machine, one.pid)) is not None
    except GONE:
        return False


def _is_in(machine: Machine, pid: int, unit: Unit) -> bool:
    path = "/proc/{}/cgroup".format(pid)
    groups = parse_cgroup(machine.read(path), path).values() if unit.group else ()
    return any(group == unit.group or group.startswith(unit.group + "/") for group in groups)


def _executable(machine: Machine, pid: int) -> str:
    """Raises NotSeen for other users' processes."""
    try:
        target = machine.link("/proc/{}/exe".format(pid))
    except PermissionError:
        if machine.uid() == 0:
            return ""  # a sandbox hides it from everybody here
        raise NotSeen("other users' executables: needs root") from None
    return target[: -len(_DELETED)] if target.endswith(_DELETED) else target


def _command(machine: Machine, pid: int) -> str:
    return machine.read("/proc/{}/cmdline".format(pid)).rstrip("\0").replace("\0", " ")


def _member(machine: Machine, one: Stat) -> Optional[Member]:
    path = "/proc/{}/status".format(one.pid)
    try:
        status = parse_status(one.pid, machine.read_bytes(path))
    except GONE:
        return None
    if status is None:
        return None
    uids = status_fields(status).get("Uid", "").split()
    if len(uids) != 4:
        raise ParseError("{}: Uid: {!r} are not four numbers".format(path, " ".join(uids)))
    user = user_name(machine, number(uids[1], path, "Uid"))
    return Member(one.pid, one.comm, one.start_ticks, age_seconds(machine, one), user, status.rss_bytes)


def _users(members: List[Member]) -> Dict[str, int]:
    users: Dict[str, int] = {}
    for one in members:
        users[one.user] = users.get(one.user, 0) + 1
    return users


def _stale(machine: Machine, some: List[Stat]) -> List[Stale]:
    executables = read_executables(machine, some)
    if executables.denied:
        raise NotSeen("other users' executables: needs root")
    return executables.stale + read_libraries(machine, some)


def _trace(machine: Machine, some: List[Stat], inside: bool) -> Trace:
    if not some:
        raise NotSeen("it does not run")
    return read_trace(machine, [one.pid for one in some], inside)
