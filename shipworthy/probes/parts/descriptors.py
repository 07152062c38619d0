"""What every process holds open: how many descriptors, which sockets, which files that have no name any more.

In: the links in /proc/PID/fd of all. Out: `Descriptors`. One walk serves whoever asks, since it is the dearest look
that there is: to list a descriptor costs a microsecond, to read it four. So of a process with very many of them some
are read, and what lies between two that are sockets is taken for sockets: see `Descriptors.unread`.
Source: proc_pid_fd(5).
"""

import re
from typing import Collection, Dict, List, NamedTuple, Set, Tuple

from shipworthy.probes.runtime.links import Links
from shipworthy.probes.runtime.machine import Machine

_GONE = (FileNotFoundError, NotADirectoryError, ProcessLookupError)
_DELETED = " (deleted)"
_SOCKET = "socket:["
_INOTIFY = ("anon_inode:inotify", "inotify")
_MANY = 1024
"""Descriptors of a process that are all read."""
_FIRST, _EVERY = 256, 16
"""Of one that has more: so many, where logs, listeners and watches are opened, and then one in so many."""


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
    unread: int
    """Descriptors that were counted, and taken for sockets: whose, and whether they are, was not looked at."""


def read_descriptors(machine: Machine) -> Descriptors:
    """Every process's descriptors, once, after the window; with few `unread`. Raises OSError."""
    return machine.once("descriptors", lambda: _read(machine, whole=False))


def read_all_descriptors(machine: Machine) -> Descriptors:
    """The same, and none is `unread`. Raises OSError."""
    some = read_descriptors(machine)
    return machine.once("all descriptors", lambda: _read(machine, whole=True)) if some.unread else some


def read_descriptors_of(machine: Machine, inodes: Collection[int]) -> Descriptors:
    """The same, where each of these sockets has been looked for everywhere. Raises OSError."""
    some = read_descriptors(machine)
    return some if all(inode in some.sockets for inode in inodes) else read_all_descriptors(machine)


def _read(machine: Machine, whole: bool) -> Descriptors:
    counts: Dict[int, int] = {}
    sockets: Dict[int, int] = {}
    shared: Dict[int, Set[int]] = {}
    deleted: List[Deleted] = []
    inotify: List[Tuple[int, int]] = []
    denied, unread, setdefault = 0, 0, sockets.setdefault
    for name in machine.list("/proc"):
        if not name.isdigit():
            continue
        pid = int(name)
        try:
            with machine.links("/proc/{}/fd".format(name)) as links:
                told, between = (links.say(links.names()), 0) if whole else _some(machine, links, name)
        except _GONE:
            continue
        except PermissionError:
            denied += 1
            continue
        counts[pid] = len(told) + between
        unread += between
        for descriptor, target in told:
            if target[:8] == _SOCKET:
                inode = int(target[8:-1])
                other = setdefault(inode, pid)
                if other != pid:
                    shared.setdefault(inode, {other}).add(pid)
            elif target.endswith(_DELETED) and target.startswith("/"):
                deleted.append(Deleted(pid, int(descriptor), target[: -len(_DELETED)]))
            elif target in _INOTIFY:
                inotify.append((pid, int(descriptor)))
    return Descriptors(counts, sockets, shared, deleted, inotify, denied, unread)


def _some(machine: Machine, links: Links, pid: str) -> Tuple[List[Tuple[str, str]], int]:
    """What the descriptors of a process say, and how many between two sockets were not asked."""
    names = _possible(machine, links, pid)
    if len(names) <= _MANY:
        return links.say(names), 0
    told, rest = links.say(names[:_FIRST]), names[_FIRST:]
    marked = dict(links.say(rest[::_EVERY] + rest[-1:]))
    told += marked.items()
    asked = _FIRST + len({*rest[::_EVERY], rest[-1]})
    for begin in range(0, len(rest) - 1, _EVERY):
        end = min(begin + _EVERY, len(rest) - 1)
        if not all(marked.get(rest[at], "")[:8] == _SOCKET for at in (begin, end)):
            between = rest[begin + 1 : end]
            told += links.say(between)
            asked += len(between)
    return told, max(0, links.size - len(told)) if links.size else len(names) - asked


def _possible(machine: Machine, links: Links, pid: str) -> List[str]:
    """The numbers that descriptors may have, in order: without listing them where they are many and close together."""
    if links.size > _MANY:
        slots = re.search(rb"\nFDSize:\t(\d+)\n", machine.read_bytes("/proc/{}/status".format(pid)))
        if slots and int(slots.group(1)) <= 2 * links.size:
            return [str(number) for number in range(int(slots.group(1)))]
    return sorted(links.names(), key=int)
