"""Every TCP and UDP socket of the machine, read once and reduced while it is read: tables of 50,000 lines are common.

In: /proc/net/{tcp,tcp6,udp,udp6} of the network namespace that the login is in. Out: `Sockets`.
An IPv4 address in an IPv6 table (`::ffff:192.0.2.1`) is told as IPv4: the kernel counts their ports together.
Source: proc_net_tcp.rst, net/ipv4/tcp_ipv4.c get_tcp4_sock, include/net/tcp_states.h.
"""

import ipaddress
import struct
from functools import lru_cache
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

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
_MAPPED = b"0000000000000000FFFF0000"
_ZERO_WINDOW_PROBE = b"04"
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
    """How many connections a flow has, those in TIME_WAIT apart, and the inode of one of the others, 0 for none."""

    open: int
    time_wait: int
    inode: int


class Sockets(NamedTuple):
    """The sockets of one network namespace."""

    states: Dict[str, int]
    """TCP sockets by the name of their state; of both families together."""
    listeners: List[Listener]
    outgoing: Dict[Flow, Use]
    """TCP connections from a port on which nobody here listens."""
    incoming: Dict[Flow, Use]
    """TCP connections to a port on which somebody here listens."""
    closing: Dict[int, Flow]
    """CLOSE_WAIT, by inode: the peer has gone, and the program has not closed yet."""
    stuck: List[Flow]
    """Connections that probe a peer which has not read for a while (persist timer); 64 at most are named."""
    stuck_total: int
    early_bound: Dict[str, int]
    """TCP sockets by local address that have a port and no peer, and do not listen: bound before they connect."""
    udp_ports: Dict[str, int]
    """UDP ports in use by local address."""
    unseen: Dict[str, str]
    """Why a table could not be read, by its name."""


def read_sockets(machine: Machine) -> Sockets:
    """The sockets now, after the window; read once, whoever asks first."""
    return machine.once("sockets", lambda: _read(machine))


def _read(machine: Machine) -> Sockets:
    gather = _Gather()
    unseen = {}
    for table in ("tcp", "tcp6", "udp", "udp6"):
        path = "/proc/net/" + table
        try:
            gather.read(table, path, machine.lines(path))
        except OSError as error:
            unseen[table] = "{}: {}".format(path, error.strerror)
    return gather.sockets(unseen)


class _Gather:
    """Reduces tables, line by line; keys stay the kernel's hexadecimal bytes until the end."""

    def __init__(self) -> None:
        self.states: Dict[bytes, int] = {}
        self.listeners: List[Listener] = []
        self.out: Dict[Tuple[bytes, bytes], List[int]] = {}
        self.into: Dict[Tuple[bytes, bytes], List[int]] = {}
        self.closing: Dict[int, Tuple[bytes, bytes]] = {}
        self.stuck: List[Tuple[bytes, bytes]] = []
        self.stuck_total = 0
        self.early: Dict[bytes, int] = {}
        self.udp: Dict[bytes, int] = {}

    def read(self, table: str, path: str, lines: Iterator[bytes]) -> None:
        if not next(lines, b"").lstrip().startswith(b"sl "):
            raise ParseError("{}: the first line is no head of a table".format(path))
        tcp = table.startswith("tcp")
        own_ports = set()
        for number, line in enumerate(lines, 2):
            fields = line.split(None, 12)
            if len(fields) < 10:
                raise ParseError("{}: line {}: not a socket: {!r}".format(path, number, line[:80]))
            local, peer, state = fields[1], fields[2], fields[3]
            if not tcp:
                self._udp(table, path, number, line)
                continue
            self.states[state] = self.states.get(state, 0) + 1
            if state == b"0A":
                own_ports.add(local[-4:])
                self._listener(table, path, number, fields, None)
            elif peer[-4:] == b"0000":
                address = local[:-5]
                self.early[address] = self.early.get(address, 0) + 1
            else:
                self._connection(local, peer, fields, incoming=local[-4:] in own_ports)

    def _connection(self, local: bytes, peer: bytes, fields: List[bytes], *, incoming: bool) -> None:
        state, inode = fields[3], int(fields[9])
        uses, key = (self.into, (local, peer[:-5])) if incoming else (self.out, (local[:-5], peer))
        use = uses.get(key)
        if use is None:
            use = uses[key] = [0, 0, 0]
        if state == b"06":
            use[1] += 1
        else:
            use[0] += 1
            use[2] = use[2] or inode
        if state == b"08":
            self.closing[inode] = (local, peer)
        if fields[5].startswith(_ZERO_WINDOW_PROBE):
            self.stuck_total += 1
            if len(self.stuck) < _LOGGED:
                self.stuck.append((local, peer))

    def _udp(self, table: str, path: str, number: int, line: bytes) -> None:
        fields = line.split()
        address = fields[1][:-5]
        self.udp[address] = self.udp.get(address, 0) + 1
        if fields[2][-4:] == b"0000":
            drops = int(fields[12]) if len(fields) > 12 and fields[12].isdigit() else None
            self._listener(table, path, number, fields, drops)

    def _listener(self, table: str, path: str, number: int, fields: List[bytes], drops: Optional[int]) -> None:
        try:
            queued = int(fields[4].partition(b":")[2], 16)
            address, port = _address(fields[1][:-5]), int(fields[1][-4:], 16)
            self.listeners.append(Listener(table, address, port, int(fields[7]), int(fields[9]), queued, drops))
        except ValueError:
            raise ParseError("{}: line {}: a field is not a number".format(path, number)) from None

    def sockets(self, unseen: Dict[str, str]) -> Sockets:
        names: Dict[str, int] = {}
        for state, count in self.states.items():
            name = STATES.get(state, state.decode("ascii", "replace"))
            names[name] = names.get(name, 0) + count
        return Sockets(
            states=names,
            listeners=self.listeners,
            outgoing=_merged((_outgoing(*key), use) for key, use in self.out.items()),
            incoming=_merged((_incoming(*key), use) for key, use in self.into.items()),
            closing={inode: _outgoing(local[:-5], peer) for inode, (local, peer) in self.closing.items()},
            stuck=[_incoming(local, peer[:-5]) for local, peer in self.stuck],
            stuck_total=self.stuck_total,
            early_bound=_by_address(self.early),
            udp_ports=_by_address(self.udp),
            unseen=unseen,
        )


def _merged(flows: Iterable[Tuple[Flow, List[int]]]) -> Dict[Flow, Use]:
    """IPv4 flows of both tables are one."""
    found: Dict[Flow, Use] = {}
    for flow, (opened, waiting, inode) in flows:
        known = found.get(flow)
        if known is not None:
            opened, waiting, inode = known.open + opened, known.time_wait + waiting, known.inode or inode
        found[flow] = Use(opened, waiting, inode)
    return found


def _outgoing(source: bytes, peer: bytes) -> Flow:
    return Flow(_address(source), _address(peer[:-5]), int(peer[-4:], 16))


def _incoming(local: bytes, peer: bytes) -> Flow:
    return Flow(_address(local[:-5]), _address(peer), int(local[-4:], 16))


def _by_address(counts: Dict[bytes, int]) -> Dict[str, int]:
    found: Dict[str, int] = {}
    for address, count in counts.items():
        name = _address(address)
        found[name] = found.get(name, 0) + count
    return found


@lru_cache(maxsize=65536)
def _address(text: bytes) -> str:
    """`0100007F` → `127.0.0.1`: 32-bit words in the byte order of the machine, little-endian on all that matter."""
    if len(text) == 32 and text[:24] == _MAPPED:
        text = text[24:]
    try:
        words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
        packed = struct.pack("<{}I".format(len(words)), *words)
        return str(ipaddress.ip_address(packed))
    except (ValueError, struct.error):
        raise ParseError("{!r} is not an address as /proc/net has them".format(text[:40])) from None
