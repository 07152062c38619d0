"""Who listens where, each address and port once; and whose accept queue is how full.

In: this namespace's sockets, two looks at its listeners, socket diagnosis. Out: `Listening`, `Queue`.
"""

import heapq
from typing import Dict, List, NamedTuple, Optional, Tuple

from shipworthy.probes.parts.gather import Listener
from shipworthy.probes.parts.listening import Diagnosis, Waiting, read_queues
from shipworthy.probes.parts.owners import Owner, Owners
from shipworthy.probes.parts.port_range import PortRange
from shipworthy.probes.parts.sockets import Sockets
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.seen import Eyes

MOST = 2000
"""Listeners that are told; a host has a hundred at most."""
MOST_CLIENTS = 200
"""UDP sockets on ephemeral ports that are told with them: a resolver may have thousands."""


class Listening(NamedTuple):
    """A place where somebody waits for connections or datagrams; several sockets there (SO_REUSEPORT) are one."""

    protocol: str
    """tcp or udp."""
    address: str
    """`0.0.0.0`: all of IPv4; `::`: all of IPv6, and of IPv4 too if the socket is not for IPv6 only."""
    port: int
    v6only: Optional[bool]
    """None where the kernel was not asked, or the address is not `::`."""
    owners: Optional[List[Owner]]
    """None where they cannot be seen, or were not asked for."""


class Queue(NamedTuple):
    """A listener's queue of connections that its program has not accepted yet."""

    address: str
    port: int
    queued: int
    """Both before and after the window: the lesser of both."""
    backlog: Optional[int]
    """The most that may wait; None where the kernel was not asked."""
    owners: Optional[List[Owner]]


def read_listening(
    eyes: Eyes, sockets: Sockets, known: PortRange, diagnosis: Optional[Diagnosis], owners: Optional[Owners]
) -> List[Listening]:
    """Everything that waits. Raises NotSeen when it is too much to be told.

    UDP sockets on ephemeral ports are clients mostly; where they are many, they are left out (`listening.clients`).
    """
    places: Dict[Tuple[str, str, int], List[Listener]] = {}
    for one in sockets.listeners:
        places.setdefault((one.protocol[:3], one.address, one.port), []).append(one)
    clients = {place for place in places if place[0] == "udp" and known.gives(place[2])}
    if len(clients) > MOST_CLIENTS:
        eyes.unseen["listening.clients"] = "{:,} UDP sockets on ephemeral ports are left out".format(len(clients))
        places = {place: together for place, together in places.items() if place not in clients}
    if len(places) > MOST:
        raise NotSeen("{:,} listeners; no more than {:,} are looked at".format(len(places), MOST))
    return [
        Listening(protocol, address, port, _v6only(together, diagnosis), _owners(together, owners))
        for (protocol, address, port), together in sorted(places.items())
    ]


def read_queue_use(
    machine: Machine, before: Optional[Dict[int, Waiting]], diagnosis: Optional[Diagnosis], owners: Owners, top: int
) -> List[Queue]:
    """The queues that held somebody at both ends of the window, the fullest first. Raises OSError, ParseError."""
    backlogs = diagnosis.backlogs if diagnosis is not None else {}
    found = []
    for inode, now in read_queues(machine).items():
        was = before.get(inode) if before is not None else None
        queued = min(now.queued, was.queued) if was is not None else 0
        if queued:
            found.append((inode, Queue(now.address, now.port, queued, backlogs.get(inode), None)))
    fullest = heapq.nlargest(top, found, key=lambda one: one[1].queued / max(1, one[1].backlog or 1))
    return [queue._replace(owners=owners.of(inode)) for inode, queue in fullest]


def _v6only(together: List[Listener], diagnosis: Optional[Diagnosis]) -> Optional[bool]:
    """Of several sockets in one place, one that serves IPv4 is enough."""
    if together[0].protocol != "tcp6" or together[0].address != "::" or diagnosis is None:
        return None
    return all(one.inode in diagnosis.v6only for one in together)


def _owners(together: List[Listener], owners: Optional[Owners]) -> Optional[List[Owner]]:
    """All that hold one of the sockets, each once; None when those of one cannot be seen."""
    if owners is None:
        return None
    found: Dict[int, Owner] = {}
    for one in together:
        held = owners.of(one.inode)
        if held is None:
            return None
        found.update((owner.pid, owner) for owner in held)
    return sorted(found.values())
