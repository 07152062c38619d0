"""Connections that the other side has closed and this one has not: a program that forgot them.

In: the sockets in CLOSE_WAIT, and whose they are. Out: `Leaks`.
Source: tcp(7), net/ipv4/tcp_input.c tcp_fin; a socket that nobody has accepted yet has no inode.
"""

from typing import Dict, List, NamedTuple, Optional

from shipworthy.probes.parts.descriptors import Descriptors, read_descriptors
from shipworthy.probes.parts.sockets import Sockets, read_sockets
from shipworthy.probes.parts.stats import Stats
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.seen import Eyes, why

_NAMED = 256
_OWNERS = 64


class Waiting(NamedTuple):
    """A connection that waits to be closed."""

    inode: int
    peer: str
    port: int
    """The peer's."""
    pid: Optional[int]
    comm: Optional[str]


class Owner(NamedTuple):
    """A process, and how many of them are its."""

    pid: int
    comm: str
    sockets: int


class Leaks(NamedTuple):
    """Sockets in CLOSE_WAIT."""

    total: int
    """Those among them that nobody has accepted yet are no process's."""
    sockets: List[Waiting]
    """By inode; 256 at most."""
    owners: Optional[List[Owner]]
    """Most first, 64 at most."""


def read_leaks(eyes: Eyes, stats: Stats) -> Leaks:
    """Who forgot which. Raises NotSeen when a table of connections cannot be read."""
    sockets = read_sockets(eyes.machine)
    _needs_tables(sockets)
    inodes = sorted(inode for inode in sockets.closing if inode)
    held = eyes.see("leaks.owners", lambda: _held(eyes, inodes))
    named = [_waiting(inode, sockets, held, stats) for inode in inodes[:_NAMED]]
    total = sockets.states.get("CLOSE_WAIT", 0)
    return Leaks(total, named, None if held is None else _owners(inodes, held, stats))


def _needs_tables(sockets: Sockets) -> None:
    if "tcp" in sockets.unseen:  # without IPv6 there is no tcp6
        raise NotSeen(sockets.unseen["tcp"])


def _held(eyes: Eyes, inodes: List[int]) -> Dict[int, int]:
    """Processes by inode; nobody's descriptors are looked at when there is nothing to ask for."""
    if not inodes:
        return {}
    try:
        found: Descriptors = read_descriptors(eyes.machine)
    except OSError as error:
        raise NotSeen(why(error)) from None
    held = {inode: found.sockets[inode] for inode in inodes if inode in found.sockets}
    if not held and found.denied:
        raise NotSeen("other users' descriptors: needs root")
    return held


def _waiting(inode: int, sockets: Sockets, held: Optional[Dict[int, int]], stats: Stats) -> Waiting:
    flow = sockets.closing[inode]
    pid = (held or {}).get(inode)
    return Waiting(inode, flow.peer, flow.port, pid, _comm(pid, stats) if pid is not None else None)


def _owners(inodes: List[int], held: Dict[int, int], stats: Stats) -> List[Owner]:
    counts: Dict[int, int] = {}
    for inode in inodes:
        if inode in held:
            counts[held[inode]] = counts.get(held[inode], 0) + 1
    owners = [Owner(pid, _comm(pid, stats), count) for pid, count in counts.items()]
    return sorted(owners, key=lambda one: (-one.sockets, one.pid))[:_OWNERS]


def _comm(pid: int, stats: Stats) -> str:
    stat = stats.processes.get(pid)
    return stat.comm if stat else "?"
