"""Ephemeral ports as the kernel spends them, and what is left of them.

In: the range of ports, this namespace's sockets, what is only bound. Out: `Tcp`, `Udp`.

TCP, as tried on Linux 6.18 and read in net/ipv4/inet_hashtables.c and inet_connection_sock.c:
- A connect() without bind() may use a port again for every other (source, destination, destination port): what runs out
  is such a triple, not the host. Both families spend alike, a mapped address as the IPv4 address that it is.
- A port that was taken by bind(), whatever became of the socket, serves no connect() of another, from whatever source.
  So listeners' ports are no part of the capacity, and ports that were bound early (a bind() to port 0 before connect(),
  as programs do to choose their source) are spent for everybody.
- Such a bind() itself finds no port that has any connection at its source address, whoever made it and wherever it
  goes; one in TIME_WAIT is in its way too, whatever tcp_tw_reuse says.
- connect() takes ports of the parity of the range's first while its triple has any, bind() those of the other (since
  Linux 4.2). That is the only sign of an early bind in the kernel's tables: connections from ports of the other parity
  although their triple has some left of the first. After a rush they are also what is left of it, but then the fewer.
UDP: a port is spent for all destinations, sources and families at once.
"""

import heapq
from collections import Counter
from typing import Dict, List, NamedTuple, Optional, Set

from shipworthy.probes.parts.listening import Diagnosis
from shipworthy.probes.parts.owners import Owner, Owners
from shipworthy.probes.parts.port_range import PortRange
from shipworthy.probes.parts.sockets import Flow, Sockets, Use

_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 -- what others are bound to


class Destination(NamedTuple):
    """A (source, destination, port) with the ephemeral ports that it has spent."""

    source: str
    peer: str
    port: int
    open: int
    """Connections in any state but TIME_WAIT."""
    time_wait: int
    bound_early: int
    """Of both, those that were bound before they were connected, as far as their parity shows it."""
    owner: Optional[List[Owner]]
    """Who holds one of the connections."""


class Source(NamedTuple):
    """A local address, and the ephemeral ports that no bind() to it can have any more."""

    address: str
    spent: int
    bound_early: int
    """Of these, those that were bound before they were connected, or are not connected yet."""


class Tcp(NamedTuple):
    """Ephemeral ports of TCP."""

    capacity: int
    """Ports of the range that are neither reserved nor listened on."""
    bound_early: int
    """Ports that were taken by an early bind on any address."""
    destinations: List[Destination]
    """Those that have spent most: with, and without what is in TIME_WAIT."""
    sources: List[Source]
    """Those that have spent most."""


class Holder(NamedTuple):
    """How many UDP ports programs of one name hold."""

    comm: str
    ports: int


class Udp(NamedTuple):
    """Ephemeral ports of UDP."""

    capacity: int
    spent: int
    holders: Optional[List[Holder]]


def read_tcp(
    sockets: Sockets, known: PortRange, diagnosis: Optional[Diagnosis], owners: Owners, top: int, name_above: float
) -> Tcp:
    """TCP's ports; the owners of a destination that has spent more than `name_above` percent are looked for."""
    listened = {one.port for one in sockets.listeners if one.protocol.startswith("tcp") and known.gives(one.port)}
    capacity = known.usable - len(listened)
    flows = {flow: use for flow, use in sockets.outgoing.items() if _spent(use)}
    spent = {source: {int(port, 16) for port in ports} for source, ports in sockets.spent_ports.items()}
    bound = _bound(diagnosis, known)
    early = {flow: _early(use, capacity) for flow, use in flows.items()}
    early_at: Dict[str, int] = {}
    for flow, count in early.items():
        early_at[flow.source] = early_at.get(flow.source, 0) + count
    destinations = []
    for flow in _largest(flows, top):
        use = flows[flow]
        owner = owners.of(use.inode) if use.inode and _spent(use) * 100.0 > name_above * capacity else None
        end = (flow.source, flow.peer, flow.port)
        destinations.append(Destination(*end, use.spent, use.spent_time_wait, early[flow], owner))
    # Programs with several source addresses may have bound the same port at each.
    once = {port for source, ports in spent.items() if early_at.get(source) for port in ports if known.is_other(port)}
    idle: Set[int] = set().union(*bound.values())
    return Tcp(
        capacity=capacity,
        bound_early=min(sum(early.values()), len(once)) + len(idle),
        destinations=destinations,
        sources=_sources(spent, early_at, bound, top),
    )


def read_udp(sockets: Sockets, known: PortRange, owners: Owners, top: int, name_above: float) -> Udp:
    """UDP's ports; who holds them is looked for when they have spent more than `name_above` percent."""
    spent = {port: inode for port, inode in sockets.udp_ports.items() if known.gives(port)}
    holders = None
    if len(spent) * 100.0 > name_above * known.usable:
        named = [owners.of(inode) for inode in spent.values()]
        counted = Counter(held[0].comm for held in named if held)
        holders = [Holder(comm, ports) for comm, ports in counted.most_common(top)]
    return Udp(known.usable, len(spent), holders)


def _spent(use: Use) -> int:
    return use.spent + use.spent_time_wait


def _early(use: Use, capacity: int) -> int:
    """The flow's ports of the other parity, if connect() had no need of them and they are no remains of a rush."""
    needless = (_spent(use) - use.odd) * 2 < 0.9 * capacity
    return use.odd if needless and use.odd >= 0.4 * _spent(use) else 0


def _largest(flows: Dict[Flow, Use], top: int) -> List[Flow]:
    """The flows with most open connections, with most of all, and with most of all that are not loopback's."""
    # Loopback's connections in TIME_WAIT are in nobody's way mostly, and would hide others'.
    beyond = [flow for flow in flows if not (flow.peer.startswith("127.") or flow.peer == "::1")]
    found = heapq.nlargest(top, flows, key=lambda flow: flows[flow].spent)
    found += heapq.nlargest(top, flows, key=lambda flow: _spent(flows[flow]))
    found += heapq.nlargest(top, beyond, key=lambda flow: _spent(flows[flow]))
    return list(dict.fromkeys(found))


def _bound(diagnosis: Optional[Diagnosis], known: PortRange) -> Dict[str, Set[int]]:
    """Ports of the range that sockets without a peer are bound to, by address."""
    bound = diagnosis.bound if diagnosis is not None else {}
    return {address: {port for port in ports if known.gives(port)} for address, ports in bound.items()}


def _sources(
    spent: Dict[str, Set[int]], early_at: Dict[str, int], bound: Dict[str, Set[int]], top: int
) -> List[Source]:
    everywhere: Set[int] = set().union(*(bound.get(address, set()) for address in _WILDCARDS))
    found = []
    for address in {*spent, *bound} - set(_WILDCARDS):
        idle = bound.get(address, set()) | everywhere
        used = spent.get(address, set()) | idle
        found.append(Source(address, len(used), early_at.get(address, 0) + len(idle)))
    return heapq.nlargest(top, found, key=lambda source: (source.spent, source.address))
