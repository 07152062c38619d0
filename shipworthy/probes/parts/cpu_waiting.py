"""Who waits for a core: the load averages, the tasks that run or could, and the pressure.

In: /proc/loadavg, /proc/stat's counts, /proc/pressure/cpu or a container's cpu.pressure. Out: `Load`, `Pressure`.
Source: kernel/sched/loadavg.c, Documentation/accounting/psi.rst.
"""

import errno
from typing import NamedTuple

from shipworthy.probes.parts.cgroups import NoGroups, hierarchy, mounts, parse_cgroup
from shipworthy.probes.parts.cpu_times import Accounts
from shipworthy.probes.parts.loadavg import LOADAVG, parse_averages
from shipworthy.probes.parts.oom_groups import contained
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import PressureLine, delta, parse_pressure

_MACHINE = "/proc/pressure/cpu"
NO_PRESSURE = "this kernel does not tell how long tasks wait for a core (PSI)"
"""Before Linux 4.20, or where PSI is off."""


class Load(NamedTuple):
    """How many tasks run, wait for a core, or sleep uninterruptibly. A container is told its machine's."""

    one: float
    five: float
    fifteen: float
    per_core: float
    """The lesser of the averages of one and five minutes, by the machine's cores: what is so now, and lasts.

    By all of them, also where the login may use few: the averages are never a container's own, but where /proc/stat
    and they are both its own (lxcfs)."""
    running: int
    """Tasks that run or wait for a core, at both ends of the window: the lesser; without the probe."""
    blocked: int
    """Tasks that wait for a disk; the lesser."""


class Pressure(NamedTuple):
    """The share of the time in which some task waited for a core."""

    of: str
    """`the machine`; in a container that keeps its own account, `the container`."""
    some_percent: float
    some_avg60_percent: float
    some_avg300_percent: float


class Waited(NamedTuple):
    """A pressure file's line at one moment."""

    of: str
    path: str
    some: PressureLine


def read_load(machine: Machine, before: Accounts, after: Accounts) -> Load:
    """The load now, and the tasks at both ends of the window. Raises OSError, ParseError."""
    one, five, fifteen = parse_averages(machine.read(LOADAVG))
    return Load(
        one=one,
        five=five,
        fifteen=fifteen,
        per_core=round(min(one, five) / len(after.cores), 4),
        running=max(0, min(before.running, after.running) - 1),
        blocked=min(before.blocked, after.blocked),
    )


def read_waited(machine: Machine) -> Waited:
    """What counts here: a container's own account, or the machine's. Raises OSError, NotSeen, ParseError."""
    path = _own_file(machine)
    of = "the container" if path else "the machine"
    path = path or _MACHINE
    try:
        text = machine.read(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EOPNOTSUPP):
            raise NotSeen(NO_PRESSURE) from None
        raise
    return Waited(of, path, parse_pressure(text, path)["some"])


def pressure_between(before: Waited, after: Waited, seconds: float) -> Pressure:
    """The window's pressure. Raises NotSeen."""
    if seconds <= 0:
        raise NotSeen("no time passed between the samples")
    waited = delta(before.some.total_microseconds, after.some.total_microseconds, after.path, "some: total")
    percent = min(100.0, round(waited / seconds / 1e4, 4))
    return Pressure(after.of, percent, after.some.avg60, after.some.avg300)


def _own_file(machine: Machine) -> str:
    """The account of the container around the login; empty where there is no container, or no such account."""
    mounted = mounts(machine)
    if not contained(machine, mounted):
        return ""
    own = "/proc/self/cgroup"
    try:
        tree, _ = hierarchy(machine, mounted, parse_cgroup(machine.read(own), own), "cpu")
    except (NoGroups, FileNotFoundError):
        return ""
    path = tree.mount.path + "/cpu.pressure"
    return path if tree.version == 2 and machine.exists(path) else ""
