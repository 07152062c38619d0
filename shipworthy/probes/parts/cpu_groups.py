"""The control groups that bound the CPU time of the login: by how much, what it uses, and how often they stop it.

In: /proc/self/cgroup, and cpu.max, cpu.stat of each group around it (version 1: cpu.cfs_*, cpuacct.usage).
Out: `Bounded` at a moment, `CpuGroup` over a window; the innermost group first, and only those that set a bound.
Source: Documentation/admin-guide/cgroup-v2.rst (CPU), Documentation/scheduler/sched-bwc.rst.
"""

from typing import Dict, List, Mapping, NamedTuple, Optional

from shipworthy.probes.parts.cgroups import NoGroups, bounds_or_none, hierarchy, keyed, mounts, parse_cgroup
from shipworthy.probes.runtime.errors import ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import delta, number, only_number

_OWN = "/proc/self/cgroup"


class Bounded(NamedTuple):
    """A control group with a quota, at one moment. Counts are since it was made."""

    path: str
    quota_cores: float
    periods: int
    throttled: int
    throttled_seconds: float
    used_seconds: Optional[float]


class CpuGroup(NamedTuple):
    """What a control group did with its quota over the window."""

    path: str
    quota_cores: float
    """How many cores' time its processes may use together."""
    used_cores: Optional[float]
    periods: int
    """Periods of enforcement in which anything of it ran."""
    throttled: int
    """Those of them in which it was stopped until the next."""
    throttled_percent: float
    """Of the periods; few of them count as more, as the request says."""
    throttled_seconds: float
    """Summed over cores."""


def read_bounds(machine: Machine) -> List[Bounded]:
    """The groups that bound this process; none where there are no control groups. Raises NotSeen, OSError."""
    return bounds_or_none(lambda: _bounds(machine))


def over(before: Bounded, after: Bounded, seconds: float, least_periods: int) -> CpuGroup:
    """What came between two moments. Raises NotSeen when the group was made anew meanwhile."""
    periods = delta(before.periods, after.periods, after.path, "nr_periods")
    throttled = delta(before.throttled, after.throttled, after.path, "nr_throttled")
    used = None
    if before.used_seconds is not None and after.used_seconds is not None and seconds > 0:
        used = round(max(0.0, after.used_seconds - before.used_seconds) / seconds, 4)
    return CpuGroup(
        path=after.path,
        quota_cores=after.quota_cores,
        used_cores=used,
        periods=periods,
        throttled=throttled,
        throttled_percent=round(100.0 * throttled / max(1, periods, least_periods), 4),
        throttled_seconds=round(max(0.0, after.throttled_seconds - before.throttled_seconds), 4),
    )


def parse_cpu_max(text: str, path: str) -> Optional[float]:
    """`50000 100000`: the quota and its period in microseconds → cores; None for `max`."""
    fields = text.split()
    if len(fields) != 2:
        raise ParseError("{}: {!r} is not of the form `quota period`".format(path, text.strip()))
    period = number(fields[1], path, "the period")
    if not period:
        raise ParseError("{}: the period is 0".format(path))
    return None if fields[0] == "max" else number(fields[0], path, "the quota") / period


def _bounds(machine: Machine) -> List[Bounded]:
    groups = parse_cgroup(machine.read(_OWN), _OWN)
    mounted = mounts(machine)
    tree, path = hierarchy(machine, mounted, groups, "cpu")
    used = _used_v1(machine, groups) if tree.version == 1 else {}
    found = []
    for name, folder in tree.folders(path):
        one = _v1(machine, name, folder, used.get(name)) if tree.version == 1 else _v2(machine, name, folder)
        if one is not None:
            found.append(one)
    return found


def _v2(machine: Machine, name: str, folder: str) -> Optional[Bounded]:
    path = folder + "/cpu.max"
    try:
        quota = parse_cpu_max(machine.read(path), path)
    except FileNotFoundError:  # the root, or a group without the controller
        return None
    if quota is None:
        return None
    stat = keyed(machine, folder + "/cpu.stat")
    return Bounded(
        path=name,
        quota_cores=quota,
        periods=stat.value("nr_periods"),
        throttled=stat.value("nr_throttled"),
        throttled_seconds=stat.value("throttled_usec") / 1e6,
        used_seconds=stat.value("usage_usec") / 1e6,
    )


def _v1(machine: Machine, name: str, folder: str, used: Optional[int]) -> Optional[Bounded]:
    path = folder + "/cpu.cfs_quota_us"
    try:
        quota = machine.read(path).strip()
    except FileNotFoundError:  # a kernel without CFS bandwidth control
        return None
    if quota.startswith("-"):
        return None
    period_path = folder + "/cpu.cfs_period_us"
    cores = parse_cpu_max("{} {}".format(quota, machine.read(period_path).strip()), path)
    stat = keyed(machine, folder + "/cpu.stat")
    return Bounded(
        path=name,
        quota_cores=cores or 0.0,
        periods=stat.value("nr_periods"),
        throttled=stat.value("nr_throttled"),
        throttled_seconds=stat.value("throttled_time") / 1e9,
        used_seconds=None if used is None else used / 1e9,
    )


def _used_v1(machine: Machine, groups: Mapping[str, str]) -> Dict[str, int]:
    """Nanoseconds by group, of a hierarchy that may be mounted apart from the quotas'."""
    try:
        tree, path = hierarchy(machine, mounts(machine), dict(groups), "cpuacct")
    except NoGroups:
        return {}
    found = {}
    for name, folder in tree.folders(path):
        usage = folder + "/cpuacct.usage"
        if machine.exists(usage):
            found[name] = only_number(machine.read(usage), usage)
    return found
