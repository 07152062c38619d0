"""Every TCP and UDP socket of the machine, read once and reduced while it is read: tables of 50,000 lines are common.

In: socket diagnosis, or /proc/net/{tcp,tcp6} where there is none; /proc/net/{udp,udp6}; all of the network namespace
that the login is in. Out: `Sockets`; parts/gather does the work.
An IPv4 address in an IPv6 table (`::ffff:192.0.2.1`) is told as IPv4: the kernel counts their ports together.
Sockets that are bound and neither listen nor have a peer stand in none of these tables: see parts/listening.
Source: proc_net_tcp.rst; sock_diag(7).
"""

import sys
from typing import Dict, Iterable, Iterator, NamedTuple, Set, Tuple

from shipworthy.probes.parts.addresses import address_of
from shipworthy.probes.parts.gather import Gather
from shipworthy.probes.parts.port_range import range_or_all
from shipworthy.probes.parts.sock_diag import ALL_STATES, dump
from shipworthy.probes.runtime.errors import ParseError
from shipworthy.probes.runtime.machine import Machine

_UDP = ("udp", "udp6")
TABLES = ("tcp", "tcp6", *_UDP)
Printed = Tuple[bytes, bytes, bytes]
"""A flow as the kernel prints its parts: source, peer, port."""


class Flow(NamedTuple):
    """Connections that share all but the port at this end: what spends ephemeral ports, or who comes in."""

    source: str
    peer: str
    port: int
    """The peer's for connections that went out; ours for those that came in to a listener."""


class Use(NamedTuple):
    """How many connections a flow has."""

    open: int
    """In any state but TIME_WAIT."""
    time_wait: int
    inode: int
    """Of one that is open and went out; 0 for none: those that no program holds any more have none."""
    spent: int = 0
    """Of the open ones that went out, those from a port of the ephemeral range that is not reserved."""
    spent_time_wait: int = 0
    """The same of those in TIME_WAIT."""
    odd: int = 0
    """Of both, those from a port of other parity than the range's first: see parts/ephemeral."""


class Sockets:
    """The sockets of one network namespace."""

    def __init__(self, gathered: Gather, unseen: Dict[str, str]) -> None:
        self._gathered = gathered
        self.unseen = unseen
        """Why a table could not be read, by its name."""
        self.states = gathered.named_states()
        """TCP sockets by the name of their state; of both families together."""
        self.listeners = gathered.listeners
        self.udp_ports = gathered.udp_ports
        """Every UDP port in use on any address, and the inode of a socket that has it."""
        self.closing = {
            inode: Flow(self._address(local[:-5]), self._address(peer[:-5]), int(peer[-4:], 16))
            for inode, (local, peer) in gathered.closing.items()
        }
        """CLOSE_WAIT, by inode: the peer has gone, and the program has not closed yet. The port is the peer's."""
        self.stuck_total = gathered.stuck_total
        """Connections that probe a peer which has not read for a while (persist timer)."""
        self.stuck = [
            Flow(self._address(local[:-5]), self._address(peer[:-5]), int(local[-4:], 16))
            for local, peer in gathered.stuck
        ]
        """The first of them, 64 at most; the port is ours."""

    @property
    def order(self) -> str:
        """The byte order of printed addresses."""
        return self._gathered.order

    @property
    def outgoing(self) -> Dict[Flow, Use]:
        """TCP connections from a port on which nobody here listens."""
        return self._told(self.printed_outgoing())

    @property
    def incoming(self) -> Dict[Flow, Use]:
        """TCP connections to a port on which somebody here listens; made when it is asked for, as it may be long."""
        return self._told(self.printed_incoming())

    def printed_outgoing(self) -> Iterator[Tuple[Printed, Use]]:
        """The same with addresses as the kernel prints them; a flow may come twice, mapped and not."""
        for key, numbers in self._gathered.out.items():
            source, _, peer = key.partition(b" ")
            yield (source, peer[:-5], peer[-4:]), Use(*numbers)

    def printed_incoming(self) -> Iterator[Tuple[Printed, Use]]:
        """The same for those that came in: tens of thousands of addresses are dear to convert."""
        waits = self._gathered.into_waiting
        for key, count in self._gathered.into.items():
            local, _, peer = key.partition(b" ")
            waiting = waits.get(key, 0)
            yield (local[:-5], peer, local[-4:]), Use(count - waiting, waiting, 0)

    @property
    def spent_ports(self) -> Dict[str, Set[bytes]]:
        """Ephemeral ports of TCP connections that went out, by source address, each once, as the table writes them."""
        found: Dict[str, Set[bytes]] = {}
        for source, ports in self._gathered.sources.items():
            found.setdefault(self._address(source), set()).update(ports)
        return found

    def _told(self, printed: Iterator[Tuple[Printed, Use]]) -> Dict[Flow, Use]:
        """With addresses as people write them; IPv4 flows of both tables are one."""
        found: Dict[Flow, Use] = {}
        for (source, peer, port), use in printed:
            flow = Flow(self._address(source), self._address(peer), int(port, 16))
            known = found.get(flow)
            found[flow] = use if known is None else _both(known, use)
        return found

    def _address(self, text: bytes) -> str:
        return address_of(text, self._gathered.order)


def read_sockets(machine: Machine) -> Sockets:
    """The sockets now, after the window; read once, whoever asks first."""
    return machine.once("sockets", lambda: _read(machine))


def byte_order(machine: Machine) -> str:
    """In which the kernel printed addresses: its own; a recorded tree is taken for one of the little-endian many."""
    return "little" if machine.recorded else sys.byteorder


def body(path: str, lines: Iterator[bytes]) -> Iterator[bytes]:
    """The lines after a table's head. Raises ParseError when it has none."""
    if not next(lines, b"").lstrip().startswith(b"sl "):
        raise ParseError("{}: the first line is no head of a table".format(path))
    return lines


def _read(machine: Machine) -> Sockets:
    if not machine.recorded:
        gather = _gather(machine)
        try:
            gather.diagnosed(dump(ALL_STATES))
        except OSError:
            pass  # a kernel without socket diagnosis: its tables tell the same, and take longer
        else:
            return _with_tables(machine, gather, _UDP)
    return read_tables(machine)


def read_tables(machine: Machine) -> Sockets:
    """The sockets as the tables have them, and nothing else."""
    return _with_tables(machine, _gather(machine), TABLES)


def _gather(machine: Machine) -> Gather:
    return Gather(range_or_all(machine), byte_order(machine))


def _with_tables(machine: Machine, gather: Gather, tables: Iterable[str]) -> Sockets:
    unseen = {}
    for table in tables:
        path = "/proc/net/" + table
        try:
            lines = body(path, machine.lines(path))
            gather.tcp(table, path, lines) if table.startswith("tcp") else gather.udp(table, path, lines)
        except OSError as error:
            unseen[table] = "{}: {}".format(path, error.strerror)
    return Sockets(gather, unseen)


def _both(one: Use, other: Use) -> Use:
    return Use(*(first + second for first, second in zip(one, other)))._replace(inode=one.inode or other.inode)
