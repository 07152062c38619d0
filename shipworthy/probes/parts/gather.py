"""Sockets, one by one, reduced to what is told of them while they are read: there may be fifty thousand.

In: lines of /proc/net's tables, messages of socket diagnosis. Out: `Gather`, in which addresses and ports are as the
kernel prints them in tables until somebody asks for more.
Source: net/ipv4/tcp_ipv4.c tcp4_seq_show, net/ipv6/udp.c; include/net/tcp_states.h.
"""

import socket
from binascii import hexlify
from typing import Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from shipworthy.probes.parts.addresses import address_of, printed
from shipworthy.probes.parts.port_range import PortRange
from shipworthy.probes.parts.sock_diag import LISTEN, MESSAGE, PORTS, packed_address
from shipworthy.probes.runtime.errors import ParseError

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
_LISTEN, _TIME_WAIT, _CLOSE_WAIT = b"0A", b"06", b"08"
_PRINTED_STATES = [b"%02X" % state for state in range(16)]
_ZERO_WINDOW_PROBE = 4
_ODD = b"13579BDF"
_FAMILIES = {int(socket.AF_INET): "tcp", int(socket.AF_INET6): "tcp6"}
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


def listener(table: str, path: str, number: int, fields: List[bytes], order: str) -> Listener:
    """The line of a socket that waits, by its fields. Raises ParseError."""
    try:
        queued = int(fields[4].partition(b":")[2], 16)
        drops = int(fields[12]) if len(fields) > 12 and table.startswith("udp") else None
        address, port = address_of(fields[1][:-5], order), int(fields[1][-4:], 16)
        return Listener(table, address, port, int(fields[7]), int(fields[9]), queued, drops)
    except (ValueError, IndexError):
        raise ParseError("{}: line {}: a field is not a number".format(path, number)) from None


class _Printer(Dict[bytes, bytes]):
    """Addresses of socket diagnosis → as the tables print them, each converted once."""

    def __init__(self, family: int, order: str) -> None:
        super().__init__()
        self._family = family
        self._order = order

    def __missing__(self, address: bytes) -> bytes:
        self[address] = found = printed(packed_address(self._family, address), self._order)
        return found


class Gather:
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
        count = self._count
        for number, line in enumerate(lines, 2):
            fields = line.split(None, 10)
            if len(fields) < 10:
                raise ParseError("{}: line {}: not a socket: {!r}".format(path, number, line[:80]))
            if fields[3] == _LISTEN:
                self._listens(listener(table, path, number, line.split(), self.order), fields[1][-4:])
            else:
                probes = fields[5][:2] == b"04"
                count(fields[1], fields[2], fields[3], probes, _whole(fields[9], path, number))

    def diagnosed(self, messages: Iterable[bytes]) -> None:
        """What socket diagnosis tells of both families."""
        count, unpack = self._count, MESSAGE.unpack_from
        families: Dict[int, _Printer] = {family: _Printer(family, self.order) for family in _FAMILIES}
        for message in messages:
            family, state, timer, port, _, source, peer, queued, _, uid, inode = unpack(message)
            addresses, ports = families[family], hexlify(message[PORTS]).upper()
            if state == LISTEN:
                address = address_of(addresses[source], self.order)
                number = int.from_bytes(port, "big")
                self._listens(Listener(_FAMILIES[family], address, number, uid, inode, queued, None), ports[:4])
            else:
                local, there = addresses[source] + b":" + ports[:4], addresses[peer] + b":" + ports[4:]
                count(local, there, _PRINTED_STATES[state], timer == _ZERO_WINDOW_PROBE, inode)

    def _listens(self, one: Listener, port: bytes) -> None:
        self.states[_LISTEN] = self.states.get(_LISTEN, 0) + 1
        self.own_ports.add(port)
        self.listeners.append(one)

    def _count(self, local: bytes, peer: bytes, state: bytes, probes: bool, inode: int) -> None:
        """A socket that does not listen; `probes`: whether a peer reads once more."""
        self.states[state] = self.states.get(state, 0) + 1
        if local[-4:] in self.own_ports:
            key = local + b" " + peer[:-5]
            self.into[key] = self.into.get(key, 0) + 1
            if state == _TIME_WAIT:
                self.into_waiting[key] = self.into_waiting.get(key, 0) + 1
        elif peer[-4:] != b"0000":
            self._went_out(local, peer, state == _TIME_WAIT, inode)
        if state == _CLOSE_WAIT:
            self.closing[inode] = (local, peer)
        if probes:
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
