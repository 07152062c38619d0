"""Connections to or from where policy does not allow any.

In: this namespace's sockets, the networks and ports that are allowed. Out: `Crossings`, largest first.
Loopback is always allowed, and so is this host with itself. Only TCP is looked at: what UDP sockets talk to, no table
tells. Connections from one fixed port to an ephemeral one are left out: their listener has gone, so that nothing tells
who opened them.
"""

import heapq
import ipaddress
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple, Union

from shipworthy.probes.parts.addresses import address_of, printed, unmapped
from shipworthy.probes.parts.owners import Owner, Owners
from shipworthy.probes.parts.port_range import PortRange
from shipworthy.probes.parts.sockets import Printed, Sockets, Use

Allowed = List[List[Union[str, int]]]
"""`[network, first port, last port]` of each thing that is allowed."""
_ALWAYS: Allowed = [["127.0.0.0/8", 0, 65535], ["::1/128", 0, 65535]]


class Crossing(NamedTuple):
    """Connections with one peer that nothing allows."""

    peer: str
    port: int
    """The peer's of what went out; ours of what came in."""
    connections: int
    """TIME_WAIT and attempts included."""
    owner: Optional[List[Owner]]


class Crossings(NamedTuple):
    """What nothing allows, of one direction."""

    allowed: Allowed
    """As it was asked for."""
    total: int
    """Pairs of a peer and a port."""
    largest: List[Crossing]


def went_out(sockets: Sockets, allowed: Allowed, known: PortRange, owners: Owners, top: int) -> Crossings:
    """Connections from here; the ports are the peers'."""
    from_here = (
        (flow, use)
        for flow, use in sockets.printed_outgoing()
        if use.spent or use.spent_time_wait or not known.low <= int(flow[2], 16) <= known.high
    )
    return _crossings(from_here, allowed, sockets.order, top, lambda _, inode: owners.of(inode) if inode else [])


def came_in(sockets: Sockets, allowed: Allowed, owners: Owners, top: int) -> Crossings:
    """Connections to listeners here; the ports are ours."""
    listening = {one.port: one.inode for one in sockets.listeners if one.protocol.startswith("tcp")}
    return _crossings(
        sockets.printed_incoming(), allowed, sockets.order, top, lambda port, _: owners.of(listening.get(port, 0))
    )


def _crossings(
    flows: Iterable[Tuple[Printed, Use]],
    allowed: Allowed,
    order: str,
    top: int,
    owner: Callable[[int, int], Optional[List[Owner]]],
) -> Crossings:
    """What `allowed` does not cover; `owner` says who holds a connection, by the port and a socket's inode."""
    rules = _Rules(allowed, order)
    found: Dict[Tuple[str, int], Tuple[int, int]] = {}
    for (source, peer, printed_port), use in flows:
        port = int(printed_port, 16)
        if source != peer and not rules.allow(peer, port):
            end = address_of(peer, order), port
            count, inode = found.get(end, (0, 0))
            found[end] = count + use.open + use.time_wait, inode or use.inode
    largest = heapq.nlargest(top, found.items(), key=lambda item: item[1][0])
    told = [Crossing(peer, port, count, owner(port, inode)) for (peer, port), (count, inode) in largest]
    return Crossings(allowed, len(found), told)


class _Rules:
    """What is allowed, as masks of addresses as they are printed: a mask does not mind in which order bytes stand."""

    def __init__(self, allowed: Allowed, order: str) -> None:
        self._by_length: Dict[int, List[Tuple[int, int, int, int]]] = {8: [], 32: []}
        for net, first, last in allowed + _ALWAYS:
            network = ipaddress.ip_network(str(net))
            mask, value = (printed(part.packed, order) for part in (network.netmask, network.network_address))
            self._by_length[len(value)].append((int(mask, 16), int(value, 16), int(first), int(last)))

    def allow(self, peer: bytes, port: int) -> bool:
        short = unmapped(peer)
        address = int(short, 16)
        return any(
            address & mask == value and first <= port <= last
            for mask, value, first, last in self._by_length[len(short)]
        )
