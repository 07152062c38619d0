"""Every control group's bound on tasks: how near it is, and how often a fork was refused there.

In: pids.max, pids.current, pids.events of all groups that can be seen. Out: `TaskGroups`.
Source: Documentation/admin-guide/cgroup-v2.rst (PID), kernel/cgroup/pids.c.
"""

from typing import Dict, List, NamedTuple

from shipworthy.probes.parts.cgroups import Hierarchy, NoGroups, count, keyed, mounts
from shipworthy.probes.parts.headroom import Headroom
from shipworthy.probes.runtime.machine import Machine

_MOST_GROUPS = 5000


class TaskGroups(NamedTuple):
    """What the groups tell at one moment."""

    bounded: List[Headroom]
    refused: Dict[str, int]
    """Forks refused since the group was made, by group: where the task was that wanted one, or where the bound is."""
    cut: bool
    """There are more groups than were looked into."""


def read_task_groups(machine: Machine, sample: int) -> TaskGroups:
    """The groups at the moment of a sample; none where there are none. Raises OSError.

    Before the window, sample 1, only what was refused is asked.
    """
    return machine.once("task groups {}".format(sample), lambda: _read(machine, bounds=sample > 1))


def _read(machine: Machine, *, bounds: bool) -> TaskGroups:
    found = TaskGroups([], {}, False)
    try:
        tree = _tree(machine)
    except (NoGroups, FileNotFoundError):
        return found
    folders = [""]
    seen = 0
    while folders:
        path = folders.pop()
        seen += 1
        if seen > _MOST_GROUPS:
            return found._replace(cut=True)
        folder = tree.mount.path + path
        _refused(machine, folder, path, found)
        if bounds:
            _bounded(machine, folder, path, found)
        try:
            names = machine.folders(folder)
        except OSError:
            continue  # removed meanwhile, or not to be entered by this user
        folders.extend("{}/{}".format(path, name) for name in names)
    return found


def _tree(machine: Machine) -> Hierarchy:
    """The hierarchy that has the controller, as much of it as can be seen here."""
    mounted = mounts(machine)
    fitting = [mount for mount in mounted if mount.type == "cgroup" and "pids" in mount.options]
    version = 1 if fitting else 2
    fitting = fitting or [mount for mount in mounted if mount.type == "cgroup2"]
    there = [mount for mount in fitting if machine.exists(mount.path)]
    if not there:
        raise NoGroups("no control groups of tasks")
    return Hierarchy(version, min(there, key=lambda mount: len(mount.root)))


def _refused(machine: Machine, folder: str, path: str, found: TaskGroups) -> None:
    # Since Linux 6.11 a group's events are its descendants' too, and a file of its own has what is the group's alone.
    own = keyed(machine, folder + "/pids.events.local").values or keyed(machine, folder + "/pids.events").values
    if own.get("max"):
        found.refused[path or "/"] = own["max"]


def _bounded(machine: Machine, folder: str, path: str, found: TaskGroups) -> None:
    most = count(machine, folder + "/pids.max")
    tasks = count(machine, folder + "/pids.current") if most else None
    if most and tasks is not None:
        found.bounded.append(Headroom("tasks", tasks, most, "EAGAIN", of=path or "/"))
