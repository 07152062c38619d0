"""A control group for each host, so that what is limited and killed there is seen there alone.

In: the lab's name. Out: a directory per host in each hierarchy that matters, v1 or v2, as this machine has them.
The host's processes join it before they get a cgroup namespace, in which it is the root.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from lab.waiting import wait_until

_V1 = ("memory", "pids")
_V2 = ("memory", "pids", "cpu")
_OF_FAULTS = ("cpu",)
"""Version 1 hierarchies in which only a fault makes a group: one for all hosts would make every lab slower."""


class Hierarchy(NamedTuple):
    """A mounted cgroup hierarchy: where, its kind (`cgroup`, `cgroup2`), and the controller that is wanted of it."""

    mount: Path
    kind: str
    controller: str


def hierarchies(v1: Sequence[str] = _V1) -> list[Hierarchy]:
    """Those that hosts get a part of."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        head, _, tail = line.partition(" - ")
        kind, _, options = tail.split(" ", 2)
        mount = Path(head.split()[4])
        if kind == "cgroup":
            found += [Hierarchy(mount, kind, name) for name in v1 if name in options.split(",")]
        elif kind == "cgroup2" and "memory" in (mount / "cgroup.controllers").read_text().split():
            found.append(Hierarchy(mount, kind, ""))
    return list({each.mount: each for each in found}.values())


def make(lab: str, host: str) -> list[tuple[Path, Hierarchy]]:
    """Make the host's groups in every hierarchy where this process may; the directories."""
    made = []
    for each in hierarchies():
        group = each.mount / lab / host
        try:
            group.mkdir(parents=True)
            if each.kind == "cgroup2":
                _hand_down(each.mount)
                _hand_down(group.parent)
        except OSError:  # cgroups are another's to give here, as in an unprivileged container: the host does without
            continue
        made.append((group, each))
    return made


def settle(lab: str, host: str, keeper: int) -> None:
    """Under v2 only a group without processes can have limited ones below it: the host's own go into `init`.

    `keeper` is the process that waits for the host's PID 1 and is not of the host.
    """
    for each in hierarchies():
        group = each.mount / lab / host
        if each.kind != "cgroup2" or not group.is_dir():
            continue
        for folder, pids in ((group.parent / "keepers", [keeper]), (group / "init", None)):
            folder.mkdir(exist_ok=True)
            for pid in pids or (group / "cgroup.procs").read_text().split():
                (folder / "cgroup.procs").write_text(str(pid))
        _hand_down(group)


def remove(lab: str) -> None:
    """Remove the groups of a lab whose processes are gone or about to be."""
    for each in hierarchies((*_V1, *_OF_FAULTS)):
        wait_until(partial(_removed, each.mount / lab), within=5, what=f"the processes of {lab} to end")


def _hand_down(group: Path) -> None:
    """Let the groups below have those of its controllers that hosts want (cgroup v2)."""
    controllers = set((group / "cgroup.controllers").read_text().split()) & set(_V2)
    (group / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in sorted(controllers)))


def _removed(top: Path) -> bool:
    if not top.is_dir():
        return True
    try:
        for group in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
            group.rmdir()
        top.rmdir()
    except OSError:  # busy: the kernel is still taking its processes away
        return False
    return True
