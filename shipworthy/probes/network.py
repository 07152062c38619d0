"""Network: what interfaces carry and lose, what the host itself throws away, its families, its peers, bad clients.

In: which parts are wanted. Out: `Network`. Counters are told twice: since boot, to be compared with an earlier run's,
and how far they moved in the window. What could not be seen is None or missing, with its reason in `unseen`.
/proc/net and /sys/class/net are of the network namespace that the login is in.
Source: linux.md, sections 0, 3 and 6; the files of parts name theirs.
"""

from typing import Any, Dict, Generator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from shipworthy.probes.parts.connects import HalfSenders, HalfSent
from shipworthy.probes.parts.gather import Listener
from shipworthy.probes.parts.interfaces import Interface, choose, read_interfaces, reasons
from shipworthy.probes.parts.net_counters import Backlog, Sample, backlogs, missing, moved, take_sample
from shipworthy.probes.parts.net_doubts import Doubts, in_doubt
from shipworthy.probes.parts.peers import Peer, Peers
from shipworthy.probes.parts.routes import Routing, read_routing
from shipworthy.probes.parts.sockets import Flow, read_sockets
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import only_number
from shipworthy.probes.runtime.seen import Eyes

VERSION = 1

SYN_COOKIES = "/proc/sys/net/ipv4/tcp_syncookies"

_NOT_ASKED = "not asked"
_NAMED = 5


class Request(NamedTuple):
    """Which parts are wanted, and above what one short window is not enough to judge by."""

    interfaces: bool = True
    """Each interface's state; also which of them have addresses."""
    counters: bool = True
    """What moved in the window, since boot, and each CPU's queue."""
    sockets: bool = True
    """Half-open connections, stuck readers, full queues: reads every socket's line, with whoever else does."""
    declared: Sequence[str] = ()
    """Interfaces that policy names."""
    peers: Mapping[str, Mapping[str, Any]] = {}
    """By name, the fields of `peers.Wanted`."""
    half_sent: Mapping[str, Mapping[str, Any]] = {}
    """By name: address, port, sends, wait_seconds."""
    doubts: Mapping[str, Any] = {}
    """The fields of `net_doubts.Doubts`."""


class Clients(NamedTuple):
    """Sockets whose other end does not do its part, and queues that nobody empties."""

    half_open: int
    """TCP connections in SYN_RECV: asked for, never confirmed."""
    stuck: int
    """TCP connections to peers that have not read for a while: their persist timer runs."""
    stuck_to: Dict[str, int]
    """Some of them, by `address:port` at this end and the peer's address."""
    queued: List[Listener]
    """TCP listeners with connections that nobody has accepted, the longest queues first; five at most."""


class Network(NamedTuple):
    """The reading."""

    seconds: Optional[float]
    """The window."""
    interfaces: Optional[List[Interface]]
    interfaces_left_out: int
    """More than could be looked at."""
    routing: Optional[Routing]
    counters: Dict[str, int]
    """Since boot; an interface's since it was made. `eth0.rx_errors`, `TcpExt.ListenDrops`, …"""
    moved: Dict[str, int]
    """The same, in the window."""
    backlogs: Optional[List[Backlog]]
    clients: Optional[Clients]
    syn_cookies: Optional[int]
    """net.ipv4.tcp_syncookies, which IPv6 goes by as well."""
    peers: Dict[str, Peer]
    half_sent: Dict[str, HalfSent]
    unseen: Dict[str, str]


READING = Network


def probe(machine: Machine, request: Request) -> Generator[None, float, Network]:
    """Measure. Yields once when counters are wanted, and again when they moved too much to judge by one window."""
    eyes = Eyes(machine)
    peers, half_senders = Peers(machine, request.peers), HalfSenders(machine, request.half_sent)
    peers.start()
    half_senders.start()
    routing = eyes.see("routing", lambda: _routing(eyes, request))
    used = routing.interfaces if routing else []
    chosen = eyes.see("interfaces", lambda: _choose(machine, request, used))
    names, left_out = chosen if chosen else ([], 0)
    seconds, before, after = 0.0, None, None
    if request.counters:
        before = take_sample(machine, names)
        seconds = yield
        after = take_sample(machine, names)
        if in_doubt(Doubts(**request.doubts), machine, names, before, after, seconds):
            seconds = yield
            after = take_sample(machine, names)
    interfaces = eyes.see("interfaces", lambda: read_interfaces(machine, names, used)) if chosen else None
    eyes.unseen.update(reasons(interfaces or ()))
    return Network(
        seconds=eyes.see("seconds", lambda: _window(request, seconds)),
        interfaces=interfaces,
        interfaces_left_out=left_out,
        routing=routing,
        counters=_counters(eyes, after),
        moved=moved(before, after) if before and after and seconds else {},
        backlogs=eyes.see("backlogs", lambda: _backlogs(before, after, seconds)),
        clients=eyes.see("clients", lambda: _clients(machine, request)),
        syn_cookies=eyes.see("syn_cookies", lambda: only_number(machine.read(SYN_COOKIES), SYN_COOKIES)),
        peers=peers.gather(),
        half_sent=half_senders.gather(),
        unseen=eyes.unseen,
    )


def _routing(eyes: Eyes, request: Request) -> Routing:
    if not request.interfaces:
        raise NotSeen(_NOT_ASKED)
    return read_routing(eyes)


def _choose(machine: Machine, request: Request, used: List[str]) -> Tuple[List[str], int]:
    if not request.interfaces:
        raise NotSeen(_NOT_ASKED)
    return choose(machine, used, request.declared)


def _window(request: Request, seconds: float) -> float:
    if not request.counters:
        raise NotSeen(_NOT_ASKED)
    if seconds <= 0:
        raise NotSeen("a rate needs a second sample (--then)")
    return round(seconds, 6)


def _counters(eyes: Eyes, after: Optional[Sample]) -> Dict[str, int]:
    if after is None:
        eyes.unseen["counters"] = _NOT_ASKED
        return {}
    eyes.unseen.update(missing(after))
    return after.counters


def _backlogs(before: Optional[Sample], after: Optional[Sample], seconds: float) -> List[Backlog]:
    if before is None or after is None:
        raise NotSeen(_NOT_ASKED)
    if not seconds:
        raise NotSeen("a rate needs a second sample (--then)")
    return backlogs(before, after)


def _clients(machine: Machine, request: Request) -> Clients:
    if not request.sockets:
        raise NotSeen(_NOT_ASKED)
    sockets = read_sockets(machine)
    if "tcp" in sockets.unseen:
        raise NotSeen(sockets.unseen["tcp"])
    stuck: Dict[str, int] = {}
    for flow in sockets.stuck:
        stuck[_told(flow)] = stuck.get(_told(flow), 0) + 1
    most = sorted(stuck, key=lambda told: -stuck[told])[:_NAMED]
    queued = [each for each in sockets.listeners if each.protocol.startswith("tcp") and each.queued]
    return Clients(
        half_open=sockets.states.get("SYN_RECV", 0),
        stuck=sockets.stuck_total,
        stuck_to={told: stuck[told] for told in most},
        queued=sorted(queued, key=lambda each: -each.queued)[:_NAMED],
    )


def _told(flow: Flow) -> str:
    source = "[{}]".format(flow.source) if ":" in flow.source else flow.source
    return "{}:{} to {}".format(source, flow.port, flow.peer)
