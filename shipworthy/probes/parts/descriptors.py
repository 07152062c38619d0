"""What every process holds open: how many descriptors, which sockets, which files that have no name any more.

In: the links in /proc/PID/fd of all. Out: `Descriptors`. One walk serves whoever asks, since it is the dearest look
that there is: with 50,000 sockets, a tenth of a CPU second.
Source: proc_pid_fd(5).
"""

from typing import Dict, List, NamedTuple, Set, Tuple

from shipworthy.probes.runtime.machine import Machine

_GONE = (FileNotFoundError, NotADirectoryError, ProcessLookupError)
_DELETED = " (deleted)"
_SOCKET = "socket:["
_INOTIFY = ("anon_inode:inotify", "inotify")


class Deleted(NamedTuple):
    """A descriptor of a file that was deleted; what it is and how large, `machine.stat` of its link tells."""

    pid: int
    descriptor: int
    path: str
    """As it was called, without what the kernel adds."""


class Descriptors(NamedTuple):
    """All descriptors that this user may see."""

    counts: Dict[int, int]
    """By process."""
    sockets: Dict[int, int]
    """A process that holds it, by the socket's inode."""
    shared_sockets: Dict[int, Set[int]]
    """All that hold it, where it is more than one: a service's processes, or a service and what activates it."""
    deleted: List[Deleted]
    inotify: List[Tuple[int, int]]
    """(process, descriptor) of each instance of inotify; what it watches, /proc/PID/fdinfo/DESCRIPTOR tells."""
    denied: int
    """Processes whose descriptors this user may not see: not none, but unknown."""


def read_descriptors(machine: Machine) -> Descriptors:
    """Every process's descriptors, once, after the window. Raises OSError."""
    return machine.once("descriptors", lambda: _read(machine))


def _read(machine: Machine) -> Descriptors:
    counts: Dict[int, int] = {}
    sockets: Dict[int, int] = {}
    shared: Dict[int, Set[int]] = {}
    deleted: List[Deleted] = []
    inotify: List[Tuple[int, int]] = []
    denied, setdefault = 0, sockets.setdefault
    for name in machine.list("/proc"):
        if not name.isdigit():
            continue
        pid = int(name)
        try:
            links = machine.links("/proc/{}/fd".format(name))
        except _GONE:
            continue
        except PermissionError:
            denied += 1
            continue
        counts[pid] = len(links)
        for descriptor, target in links:
            if target[:8] == _SOCKET:
                inode = int(target[8:-1])
                other = setdefault(inode, pid)
                if other != pid:
                    shared.setdefault(inode, {other}).add(pid)
            elif target.endswith(_DELETED) and target.startswith("/"):
                deleted.append(Deleted(pid, int(descriptor), target[: -len(_DELETED)]))
            elif target in _INOTIFY:
                inotify.append((pid, int(descriptor)))
    return Descriptors(counts, sockets, shared, deleted, inotify, denied)
