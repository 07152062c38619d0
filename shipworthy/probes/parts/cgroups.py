"""Control groups of both versions: where a process's are, and what bounds they set on memory and tasks.

In: /proc/PID/cgroup, /proc/self/mountinfo and the files below the mounts. Out: `CgroupLimit`s and `TaskLimit`s, the
process's own group first, then its ancestors', since each of them binds.
Source: Documentation/admin-guide/cgroup-v2.rst, admin-guide/cgroup-v1/memory.rst.
"""

from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple, TypeVar

from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import MEBIBYTE, Machine
from shipworthy.probes.runtime.parse import (
    Table,
    lines_of,
    only_number,
    optional_number,
    parse_keyed,
    parse_pressure,
    unescape,
)

MOUNTINFO = "/proc/self/mountinfo"

_KEPT_OF = 128
"""MemAvailable keeps the low watermark back, which is a hundredth of a machine or less."""
_UNLIMITED = 2**62  # version 1 has no word for `no limit` but the largest number of whole pages


Bound = TypeVar("Bound")


class NoGroups(NotSeen):
    """There are no control groups of the kind: nothing binds."""


class Mount(NamedTuple):
    """A mounted file system of cgroups, or proc."""

    type: str
    root: str
    """What of the file system is mounted here."""
    path: str
    options: Tuple[str, ...]


class CgroupLimit(NamedTuple):
    """A control group that bounds the memory or the swap of what is in it. A bound that is not set is None."""

    path: str
    """As in /proc/PID/cgroup: relative to the hierarchy's root."""
    version: int
    current_bytes: Optional[int]
    max_bytes: Optional[int]
    high_bytes: Optional[int]
    """From here on its processes are slowed down and made to reclaim."""
    available_bytes: Optional[int]
    """Up to the lower of both bounds, what the kernel can take back counted as free, as in MemAvailable."""
    available_percent: Optional[float]
    swap_current_bytes: Optional[int]
    swap_max_bytes: Optional[int]
    memory_and_swap_max_bytes: Optional[int]
    """Version 1 only: one bound for both together."""
    hits_max: Optional[int]
    """How often it ran into its bound (version 1: failcnt)."""
    oom_kills: Optional[int]
    pressure_some_percent: Optional[float]
    """Its own PSI, over 10 s: the time that some task in it waited for memory (version 2)."""


class TaskLimit(NamedTuple):
    """A control group that bounds the number of tasks in it."""

    path: str
    tasks: int
    max_tasks: int


class Hierarchy(NamedTuple):
    """One mounted hierarchy: its version, and where its root lies."""

    version: int
    mount: Mount

    def folders(self, path: str) -> List[Tuple[str, str]]:
        """(cgroup, directory) of `path` and of each ancestor that can be seen here, innermost first."""
        relative = _below(self.mount.root, path)
        parts = [part for part in relative.split("/") if part]
        levels = []
        for length in range(len(parts), -1, -1):
            inner = "".join("/" + part for part in parts[:length])
            seen = path[: len(path) - len("".join("/" + part for part in parts[length:]))] or "/"
            levels.append((seen, self.mount.path + inner))
        return levels


def parse_cgroup(text: str, path: str) -> Dict[str, str]:
    """/proc/PID/cgroup → the group's path by controller; the unified hierarchy's controller is called ``""``."""
    found: Dict[str, str] = {}
    for index, line in enumerate(lines_of(text), 1):
        fields = line.split(":", 2)
        if len(fields) != 3 or not fields[0].isdigit() or not fields[2].startswith("/"):
            raise ParseError("{}: line {} {!r}: not of the form number:controllers:/path".format(path, index, line))
        for controller in fields[1].split(","):
            found[controller] = fields[2]
    return found


def parse_mounts(text: str, path: str = MOUNTINFO) -> List[Mount]:
    """The mounts of cgroups and proc in a mountinfo table."""
    found = []
    for index, line in enumerate(lines_of(text), 1):
        left, dash, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ")
        if not dash or len(fields) < 6 or len(kind) < 3:
            raise ParseError("{}: line {} {!r}: not of the form of mountinfo".format(path, index, line))
        if kind[0] in ("cgroup", "cgroup2", "proc"):
            found.append(Mount(kind[0], unescape(fields[3]), unescape(fields[4]), tuple(kind[-1].split(","))))
    return found


def mounts(machine: Machine) -> List[Mount]:
    """Where cgroups and proc are mounted; on a tree recorded without mountinfo, where they usually are."""
    try:
        return parse_mounts(machine.read(MOUNTINFO, 8 * MEBIBYTE))
    except FileNotFoundError:
        if not machine.recorded:
            raise
    if machine.exists("/sys/fs/cgroup/cgroup.controllers"):
        return [Mount("cgroup2", "/", "/sys/fs/cgroup", ())]
    usual = [Mount("cgroup", "/", "/sys/fs/cgroup/" + name, (name,)) for name in ("memory", "pids")]
    return usual + [Mount("cgroup2", "/", "/sys/fs/cgroup/unified", ())]


def hierarchy(machine: Machine, mounted: List[Mount], groups: Dict[str, str], controller: str) -> Tuple[Hierarchy, str]:
    """The hierarchy that `controller` is used through, and the group's path in it. Raises `NotSeen`."""
    version, path = (1, groups[controller]) if controller in groups else (2, groups.get("", ""))
    if not path:
        raise NoGroups("no control group of {}".format(controller))
    if "/../" in path + "/":
        raise NotSeen("the control group {} lies outside what can be seen here".format(path))
    kind = "cgroup" if version == 1 else "cgroup2"
    fitting = [mount for mount in mounted if mount.type == kind and (version == 2 or controller in mount.options)]
    if not fitting:
        raise NoGroups("the control groups of {} are not mounted".format(controller))
    there = [mount for mount in fitting if machine.exists(mount.path)] or fitting
    return Hierarchy(version, max(there, key=lambda mount: _fits(mount.root, path))), path


def memory_tree(machine: Machine, mounted: List[Mount]) -> Hierarchy:
    """The hierarchy that has the memory controller, as much of it as is mounted here. Raises `NoGroups`."""
    # Two mounts may show the same; one may lie hidden below another mount.
    whole = sorted(mounted, key=lambda mount: (not machine.exists(mount.path), len(mount.root)))
    for mount in whole:
        if mount.type == "cgroup" and "memory" in mount.options:
            return Hierarchy(1, mount)
    for mount in whole:
        if mount.type == "cgroup2":
            return Hierarchy(2, mount)
    raise NoGroups("no control groups are mounted")


def memory_limits(machine: Machine, mounted: List[Mount], groups: Dict[str, str]) -> List[CgroupLimit]:
    """The groups that bound the memory of a process in `groups`, innermost first. Raises `NotSeen`, OSError."""
    tree, path = hierarchy(machine, mounted, groups, "memory")
    if not machine.exists(tree.mount.path):
        raise NoGroups("no {}".format(tree.mount.path))
    limits = []
    for name, folder in tree.folders(path):
        if tree.version == 1 and _ends(machine, folder, path != name):
            break
        limit = _limit_v1(machine, name, folder) if tree.version == 1 else _limit_v2(machine, name, folder)
        if limit is not None:
            limits.append(limit)
    return limits


def task_limits(machine: Machine, mounted: List[Mount], groups: Dict[str, str]) -> List[TaskLimit]:
    """The groups that bound the number of tasks of a process in `groups`. Raises `NotSeen`, OSError."""
    tree, path = hierarchy(machine, mounted, groups, "pids")
    found = []
    for name, folder in tree.folders(path):
        most, tasks = count(machine, folder + "/pids.max"), count(machine, folder + "/pids.current")
        if most is not None and tasks is not None:
            found.append(TaskLimit(name, tasks, most))
    return found


def bounds_or_none(look: Callable[[], List[Bound]]) -> List[Bound]:
    """What `look` finds; nothing where there are no control groups. Raises `NotSeen`, OSError."""
    try:
        return look()
    except NoGroups:
        return []
    except FileNotFoundError as error:
        if str(error.filename).endswith("/cgroup"):
            return []
        raise


def count(machine: Machine, path: str) -> Optional[int]:
    """A bound or a count; None for `max`, and where there is no such file: at the root, or without the controller."""
    try:
        text = machine.read(path)
    except FileNotFoundError:
        return None
    return optional_number(text, path) if "max" in text else only_number(text, path)


def keyed(machine: Machine, path: str) -> Table:
    """A flat keyed file; a missing one is a table without names."""
    try:
        return Table(path, parse_keyed(machine.read(path), path))
    except FileNotFoundError:
        return Table(path, {})


def _ends(machine: Machine, folder: str, ancestor: bool) -> bool:
    """Whether a version 1 ancestor does not bind its descendants (`memory.use_hierarchy` is 0)."""
    return ancestor and count(machine, folder + "/memory.use_hierarchy") == 0


def _limit_v2(machine: Machine, name: str, folder: str) -> Optional[CgroupLimit]:
    most, high, swap_most = [
        count(machine, "{}/memory.{}".format(folder, file)) for file in ("max", "high", "swap.max")
    ]
    if most is None and high is None and swap_most is None:
        return None
    current = count(machine, folder + "/memory.current")
    events = keyed(machine, folder + "/memory.events").values
    available, percent = _room(current, most, high, keyed(machine, folder + "/memory.stat").values, "")
    return CgroupLimit(
        path=name,
        version=2,
        current_bytes=current,
        max_bytes=most,
        high_bytes=high,
        available_bytes=available,
        available_percent=percent,
        swap_current_bytes=count(machine, folder + "/memory.swap.current"),
        swap_max_bytes=swap_most,
        memory_and_swap_max_bytes=None,
        hits_max=events.get("max"),
        oom_kills=events.get("oom_kill"),
        pressure_some_percent=_pressure(machine, folder + "/memory.pressure"),
    )


def _limit_v1(machine: Machine, name: str, folder: str) -> Optional[CgroupLimit]:
    most, both = [
        _bounded(count(machine, "{}/memory.{}limit_in_bytes".format(folder, kind))) for kind in ("", "memsw.")
    ]
    if most is None and both is None:
        return None
    current = count(machine, folder + "/memory.usage_in_bytes")
    stat = keyed(machine, folder + "/memory.stat").values
    available, percent = _room(current, most, None, stat, "total_")
    return CgroupLimit(
        path=name,
        version=1,
        current_bytes=current,
        max_bytes=most,
        high_bytes=None,
        available_bytes=available,
        available_percent=percent,
        swap_current_bytes=stat.get("total_swap"),
        swap_max_bytes=None,
        memory_and_swap_max_bytes=both,
        hits_max=count(machine, folder + "/memory.failcnt"),
        oom_kills=keyed(machine, folder + "/memory.oom_control").values.get("oom_kill"),
        pressure_some_percent=None,
    )


def _room(
    current: Optional[int], most: Optional[int], high: Optional[int], stat: Mapping[str, int], prefix: str
) -> Tuple[Optional[int], Optional[float]]:
    """Bytes and percent that are left below the lower of both bounds."""
    bounds = [bound for bound in (most, high) if bound is not None]
    if current is None or not bounds:
        return None, None
    bound = min(bounds)
    left = min(bound, max(0, bound - max(0, current - _reclaimable(stat, prefix, bound))))
    return left, round(100.0 * left / bound, 4) if bound else 0.0


def _reclaimable(stat: Mapping[str, int], prefix: str, bound: int) -> int:
    """File pages and slab that the kernel can take back; of each it cannot have the last, as in MemAvailable."""
    kept = bound // _KEPT_OF
    cache = stat.get(prefix + "inactive_file", 0) + stat.get(prefix + "active_file", 0)
    slab = stat.get("slab_reclaimable", 0)
    return cache - min(cache // 2, kept) + slab - min(slab // 2, kept)


def _pressure(machine: Machine, path: str) -> Optional[float]:
    try:
        text = machine.read(path)
    except OSError:
        return None  # before Linux 4.20, or PSI is off: the machine's own must do
    return parse_pressure(text, path)["some"].avg10 if text else None


def _bounded(value: Optional[int]) -> Optional[int]:
    return None if value is None or value >= _UNLIMITED else value


def _fits(root: str, path: str) -> int:
    """How well a mount that shows `root` fits `path`: the longer a common beginning the better; −1 not at all."""
    if root == "/":
        return 0
    return len(root) if path == root or path.startswith(root + "/") else -1


def _below(root: str, path: str) -> str:
    """`path` relative to what is mounted; a mount of something else shows what this process may see: its top."""
    if root == "/":
        return path
    return path[len(root) :] if _fits(root, path) >= 0 else ""
