"""Files that were deleted and are still held open: their space is used, and no `du` finds it.

In: what descriptors show, and stat of the links in /proc/PID/fd. Out: `DeletedFiles`, by file system.
Each file counts once, however many hold it, by the blocks that it has, so that a hole is none. What is no file of a
mount that can be seen (memfd, shared memory of the kernel's own mounts) counts nowhere, nor does one with a name left.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from shipworthy.probes.parts.descriptors import Deleted, read_all_descriptors, read_descriptors
from shipworthy.probes.parts.mounts import Mounted, holder, is_kept
from shipworthy.probes.runtime.machine import Machine, Node

_BLOCK = 512
_OWN_DEVICES = ("btrfs", "overlay", "bcachefs")
"""Whose files tell another device than the table of mounts does: they are found by their path."""


class Held(NamedTuple):
    """One deleted file."""

    path: str
    bytes: int
    pid: int
    comm: str
    holders: int
    """Descriptors that are open on it."""


class HeldOn(NamedTuple):
    """All deleted files of one file system."""

    device: str
    path: str
    """Of a mount of it."""
    bytes: int
    files: int
    largest: List[Held]


class DeletedFiles(NamedTuple):
    """Deleted files by file system, and what could not be looked at."""

    on: List[HeldOn]
    denied: int
    """Processes whose descriptors this user may not see."""
    unread: int
    """Descriptors of processes with very many that were taken for sockets, since their neighbours are."""


def read_deleted(machine: Machine, mounts: List[Mounted], seconds: float, top: int, whole: bool) -> DeletedFiles:
    """Look at every deleted file; `whole`: and take no descriptor for a socket unseen. Raises OSError, `Abandoned`."""
    descriptors = read_all_descriptors(machine) if whole else read_descriptors(machine)
    links = [one for one in descriptors.deleted if not one.path.startswith("/memfd:")]
    nodes = machine.ask(lambda: [_node(machine, one) for one in links], seconds) if links else []
    held: Dict[Tuple[int, int, int], List[Deleted]] = {}
    by_key: Dict[Tuple[int, int, int], Node] = {}
    for one, told in zip(links, nodes):
        node = Node(*told) if told else None
        if node is not None and node.nlink == 0 and node.blocks:
            key = (node.major, node.minor, node.inode)
            by_key[key] = node
            held.setdefault(key, []).append(one)
    kept = [mounted for mounted in mounts if is_kept(mounted)]
    on: Dict[str, List[Held]] = {}
    where: Dict[str, Mounted] = {}
    for key, ones in held.items():
        mounted = _mount_of(by_key[key], ones[0].path, kept)
        if mounted is not None:
            where.setdefault(mounted.device, mounted)
            held_here = Held(ones[0].path, by_key[key].blocks * _BLOCK, ones[0].pid, "", len(ones))
            on.setdefault(mounted.device, []).append(held_here)
    told = [_on(machine, where[device], files, top) for device, files in on.items()]
    return DeletedFiles(told, descriptors.denied, descriptors.unread)


def _node(machine: Machine, one: Deleted) -> Any:
    """In the child: a `Node`, or nothing when it is gone."""
    try:
        return list(machine.stat("/proc/{}/fd/{}".format(one.pid, one.descriptor)))
    except OSError:
        return None


def _mount_of(node: Node, path: str, mounts: List[Mounted]) -> Optional[Mounted]:
    device = "{}:{}".format(node.major, node.minor)
    same = [mounted for mounted in mounts if mounted.device == device]
    if same:
        return min(same, key=lambda each: (len(each.root), len(each.path)))
    by_path = holder(path, mounts)
    return by_path if by_path is not None and by_path.type in _OWN_DEVICES else None


def _on(machine: Machine, mounted: Mounted, files: List[Held], top: int) -> HeldOn:
    largest = sorted(files, key=lambda held: -held.bytes)[:top]
    named = [held._replace(comm=_comm(machine, held.pid)) for held in largest]
    return HeldOn(mounted.device, mounted.path, sum(held.bytes for held in files), len(files), named)


def _comm(machine: Machine, pid: int) -> str:
    try:
        return machine.read("/proc/{}/comm".format(pid)).rstrip("\n")
    except OSError:
        return ""
