"""Every TCP and UDP socket of the machine, read once and reduced while it is read: tables of 50,000 lines are common.

In: /proc/net/{tcp,tcp6,udp,udp6} of the network namespace that the login is in. Out: `Sockets`.
An IPv4 address in an IPv6 table (`::ffff:192.0.2.1`) is told as IPv4: the kernel counts their ports together.
Sockets that are bound and neither listen nor have a peer stand in none of these tables: see parts/listening.
Source: proc_net_tcp.rst; net/ipv4/tcp_ipv4.c tcp4_seq_show, net/ipv6/udp.c; include/net/tcp_states.h.
"""

import sys
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple

from shipworthy.probes.parts.addresses import address_of
from shipworthy.probes.parts.port_range import PortRange, range_or_all
from shipworthy.probes.runtime.errors import ParseError
from shipworthy.probes.runtime.machine import Machine

STATES = {
    b"01": "ESTABLISHED",
    b"02": "SYN_SENT",
    b"03": "SYN_RECV",
    b"04": "FIN_WAIT1",
    b"05": "FIN_WAIT2",
    b"06": "TIME_WAIT",
    b"07": "CLOSE",
    b"08": "CLOSE_WAIT",
    b"09": "LAST_ACK",
    b"0A": "LISTEN",
    b"0B": "CLOSING",
    b"0C": "SYN_RECV",  # NEW_SYN_RECV: half open, not yet a socket of its own
}
TABLES = ("tcp", "tcp6", "udp", "udp6")
Printed = Tuple[bytes, bytes, bytes]
"""A flow as the kernel prints its parts: source, peer, port."""
_LISTEN, _TIME_WAIT, _CLOSE_WAIT = b"0A", b"06", b"08"
_ZERO_WINDOW_PROBE = b"04"
_ODD = b"13579BDF"
_LOGGED = 64
"""Sockets of a kind that are kept one by one."""


class Listener(NamedTuple):
    """A socket that waits for others: TCP in LISTEN, UDP without a peer."""

    protocol: str
    """tcp, tcp6, udp, udp6: the table in which it stands."""
    address: str
    port: int
    uid: int
    inode: int
    queued: int
    """TCP: connections that nobody has accepted yet. UDP: bytes that nobody has read yet."""
    drops: Optional[int]
    """UDP: datagrams dropped since it was opened."""


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

    def __init__(self, gathered: "_Gather", unseen: Dict[str, str]) -> None:
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


def listener(table: str, path: str, number: int, fields: List[bytes], order: str) -> Listener:
    """The line of a socket that waits, by its fields. Raises ParseError."""
    try:
        queued = int(fields[4].partition(b":")[2], 16)
        drops = int(fields[12]) if len(fields) > 12 and table.startswith("udp") else None
        address, port = address_of(fields[1][:-5], order), int(fields[1][-4:], 16)
        return Listener(table, address, port, int(fields[7]), int(fields[9]), queued, drops)
    except (ValueError, IndexError):
        raise ParseError("{}: line {}: a field is not a number".format(path, number)) from None


def body(path: str, lines: Iterator[bytes]) -> Iterator[bytes]:
    """The lines after a table's head. Raises ParseError when it has none."""
    if not next(lines, b"").lstrip().startswith(b"sl "):
        raise ParseError("{}: the first line is no head of a table".format(path))
    return lines


def _read(machine: Machine) -> Sockets:
    gather = _Gather(range_or_all(machine), byte_order(machine))
    unseen = {}
    for table in TABLES:
        path = "/proc/net/" + table
        try:
            lines = body(path, machine.lines(path))
            gather.tcp(table, path, lines) if table.startswith("tcp") else gather.udp(table, path, lines)
        except OSError as error:
            unseen[table] = "{}: {}".format(path, error.strerror)
    return Sockets(gather, unseen)


class _Gather:
    """Reduces tables, line by line; keys stay the kernel's hexadecimal bytes until somebody asks for more."""

    def __init__(self, known: PortRange, order: str) -> None:
        self.order = order
        self.low, self.high = b"%04X" % known.low, b"%04X" % known.high
        inside = (range(max(first, known.low), min(last, known.high) + 1) for first, last in known.reserved)
        self.reserved = {b"%04X" % port for ports in inside for port in ports}
        self.odd = _ODD if known.low % 2 == 0 else bytes(set(b"0123456789ABCDEF") - set(_ODD))
        self.states: Dict[bytes, int] = {}
        self.listeners: List[Listener] = []
        self.own_ports: Set[bytes] = set()
        self.out: Dict[bytes, List[int]] = {}
        self.sources: Dict[bytes, Set[bytes]] = {}
        self.into: Dict[bytes, int] = {}
        self.into_waiting: Dict[bytes, int] = {}
        self.closing: Dict[int, Tuple[bytes, bytes]] = {}
        self.stuck: List[Tuple[bytes, bytes]] = []
        self.stuck_total = 0
        self.udp_ports: Dict[int, int] = {}

    def tcp(self, table: str, path: str, lines: Iterable[bytes]) -> None:
        """A table of TCP, in which those that listen stand first."""
        states, own_ports, into, waiting = self.states, self.own_ports, self.into, self.into_waiting
        for number, line in enumerate(lines, 2):
            fields = line.split(None, 10)
            if len(fields) < 10:
                raise ParseError("{}: line {}: not a socket: {!r}".format(path, number, line[:80]))
            local, peer, state, inode = fields[1], fields[2], fields[3], fields[9]
            states[state] = states.get(state, 0) + 1
            if state == _LISTEN:
                own_ports.add(local[-4:])
                self.listeners.append(listener(table, path, number, line.split(), self.order))
                continue
            if local[-4:] in own_ports:
                key = local + b" " + peer[:-5]
                into[key] = into.get(key, 0) + 1
                if state == _TIME_WAIT:
                    waiting[key] = waiting.get(key, 0) + 1
            elif peer[-4:] != b"0000":
                self._went_out(local, peer, state == _TIME_WAIT, _whole(inode, path, number))
            if state == _CLOSE_WAIT:
                self.closing[_whole(inode, path, number)] = (local, peer)
            if fields[5].startswith(_ZERO_WINDOW_PROBE):
                self.stuck_total += 1
                if len(self.stuck) < _LOGGED:
                    self.stuck.append((local, peer))

    def _went_out(self, local: bytes, peer: bytes, waits: bool, inode: int) -> None:
        key = local[:-5] + b" " + peer
        use = self.out.get(key)
        if use is None:
            use = self.out[key] = [0, 0, 0, 0, 0, 0]
        use[waits] += 1
        if not (use[2] or waits):
            use[2] = inode
        port = local[-4:]
        if self.low <= port <= self.high and port not in self.reserved:
            use[3 + waits] += 1
            use[5] += port[3] in self.odd
            ports = self.sources.get(local[:-5])
            if ports is None:
                ports = self.sources[local[:-5]] = set()
            ports.add(port)

    def udp(self, table: str, path: str, lines: Iterable[bytes]) -> None:
        """A table of UDP; one without a peer waits for whoever comes."""
        for number, line in enumerate(lines, 2):
            fields = line.split()
            if len(fields) < 10:
                raise ParseError("{}: line {}: not a socket: {!r}".format(path, number, line[:80]))
            socket = listener(table, path, number, fields, self.order)
            self.udp_ports.setdefault(socket.port, socket.inode)
            if fields[2][-4:] == b"0000":
                self.listeners.append(socket)

    def named_states(self) -> Dict[str, int]:
        names: Dict[str, int] = {}
        for state, count in self.states.items():
            name = STATES.get(state, state.decode("ascii", "replace"))
            names[name] = names.get(name, 0) + count
        return names


def _whole(text: bytes, path: str, number: int) -> int:
    if not text.isdigit():
        raise ParseError("{}: line {}: {!r} is no inode".format(path, number, text[:20]))
    return int(text)


def _both(one: Use, other: Use) -> Use:
    return Use(*(first + second for first, second in zip(one, other)))._replace(inode=one.inode or other.inode)
