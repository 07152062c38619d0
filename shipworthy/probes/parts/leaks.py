"""Connections that the other side has closed and this one has not: a program that forgot them.

In: the sockets in CLOSE_WAIT, and whose they are. Out: `Leaks`.
Source: tcp(7), net/ipv4/tcp_input.c tcp_fin; a socket that nobody has accepted yet has no inode.
"""

from collections import Counter
from typing import Dict, List, NamedTuple, Optional

from shipworthy.probes.parts.descriptors import read_descriptors_of
from shipworthy.probes.parts.sockets import Sockets, read_sockets
from shipworthy.probes.parts.stats import Stats
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.seen import Eyes, why

_NAMED = 256
_OWNERS = 64


class Owner(NamedTuple):
    """A process that has connections to close, and how many."""

    pid: int
    comm: str
    sockets: int


class Waiting(NamedTuple):
    """A connection that waits to be closed."""

    inode: int
    peer: str
    port: int
    """The peer's."""
    owner: Optional[Owner]
    """Who holds it; None where that is not seen."""


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
    owners = eyes.see("leaks.owners", lambda: _owners(eyes, inodes, stats))
    named = []
    for inode in inodes[:_NAMED]:
        flow = sockets.closing[inode]
        named.append(Waiting(inode, flow.peer, flow.port, (owners or {}).get(inode)))
    most = sorted(set((owners or {}).values()), key=lambda one: (-one.sockets, one.pid))[:_OWNERS]
    total = sockets.states.get("CLOSE_WAIT", 0)
    return Leaks(total, named, None if owners is None else most)


def _needs_tables(sockets: Sockets) -> None:
    if "tcp" in sockets.unseen:  # without IPv6 there is no tcp6
        raise NotSeen(sockets.unseen["tcp"])


def _owners(eyes: Eyes, inodes: List[int], stats: Stats) -> Dict[int, Owner]:
    """Who holds each; nobody's descriptors are looked at when there is nothing to ask for."""
    if not inodes:
        return {}
    try:
        found = read_descriptors_of(eyes.machine, inodes)
    except OSError as error:
        raise NotSeen(why(error)) from None
    held = {inode: found.sockets[inode] for inode in inodes if inode in found.sockets}
    if not held and found.denied:
        raise NotSeen("other users' descriptors: needs root")
    counts = Counter(held.values())
    owners = {pid: Owner(pid, _comm(pid, stats), count) for pid, count in counts.items()}
    return {inode: owners[pid] for inode, pid in held.items()}


def _comm(pid: int, stats: Stats) -> str:
    stat = stats.processes.get(pid)
    return stat.comm if stat else "?"
