"""Connections to or from where policy does not allow any.

In: this namespace's sockets, the networks and ports that are allowed. Out: `Crossings`, largest first.
Loopback is always allowed, and so is this host with itself. Only TCP is looked at: what UDP sockets talk to, no table
tells. Connections from one fixed port to an ephemeral one are left out: their listener has gone, so that nothing tells
who opened them.
"""

import heapq
import ipaddress
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Union

from shipworthy.probes.parts.owners import Owner, Owners
from shipworthy.probes.parts.port_range import PortRange
from shipworthy.probes.parts.sockets import Flow, Sockets, Use

Allowed = List[List[Union[str, int]]]
"""`[network, first port, last port]` of each thing that is allowed."""


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
    from_here = {
        flow: use
        for flow, use in sockets.outgoing.items()
        if use.spent or use.spent_time_wait or not known.low <= flow.port <= known.high
    }
    return _crossings(from_here, allowed, owners, top)


def came_in(sockets: Sockets, allowed: Allowed, owners: Owners, top: int) -> Crossings:
    """Connections to listeners here; the ports are ours."""
    listening = {one.port: one.inode for one in sockets.listeners if one.protocol.startswith("tcp")}
    to_here = {flow: use._replace(inode=listening.get(flow.port, 0)) for flow, use in sockets.incoming.items()}
    return _crossings(to_here, allowed, owners, top)


def _crossings(flows: Dict[Flow, Use], allowed: Allowed, owners: Owners, top: int) -> Crossings:
    rules = _Rules(allowed)
    found: Dict[Flow, Use] = {}
    for flow, use in flows.items():
        if flow.source != flow.peer and not rules.allow(flow.peer, flow.port):
            key = flow._replace(source="")
            known = found.get(key, Use(0, 0, 0))
            found[key] = Use(known.open + use.open, known.time_wait + use.time_wait, known.inode or use.inode)
    largest = heapq.nlargest(top, found.items(), key=lambda item: item[1].open + item[1].time_wait)
    return Crossings(
        allowed=allowed,
        total=len(found),
        largest=[
            Crossing(flow.peer, flow.port, use.open + use.time_wait, owners.of(use.inode) if use.inode else [])
            for flow, use in largest
        ],
    )


class _Rules:
    """What is allowed; each peer is compared with each network once."""

    def __init__(self, allowed: Iterable[Sequence[Union[str, int]]]) -> None:
        self._rules = [(ipaddress.ip_network(str(net)), int(first), int(last)) for net, first, last in allowed]
        self._known: Dict[str, List[range]] = {}

    def allow(self, peer: str, port: int) -> bool:
        ports = self._known.get(peer)
        if ports is None:
            ports = self._known[peer] = self._ports(peer)
        return any(port in some for some in ports)

    def _ports(self, peer: str) -> List[range]:
        address = ipaddress.ip_address(peer)
        if address.is_loopback:
            return [range(65536)]
        return [range(first, last + 1) for network, first, last in self._rules if address in network]
