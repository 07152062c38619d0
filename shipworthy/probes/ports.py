"""Ports: how many ephemeral ones are left, who listens where, who is connected with whom, and what is tracked of it.

In: which parts are wanted. Out: `Ports`, of the network namespace that the login is in. What could not be seen is None,
with its reason in `unseen` by dotted field name (`conntrack.losses`); so is a part that was not asked for.
Source: linux.md, section 3; ip-sysctl.rst, proc_net_tcp.rst, sock_diag(7).
"""

from typing import Callable, Dict, Generator, List, NamedTuple, Optional, TypeVar

from shipworthy.probes.parts.conntrack import Conntrack, Losses, read_conntrack, read_losses
from shipworthy.probes.parts.crossings import Allowed, Crossings, came_in, went_out
from shipworthy.probes.parts.ephemeral import Tcp, Udp, read_tcp, read_udp
from shipworthy.probes.parts.listeners import Listening, Queue, read_listening, read_queue_use
from shipworthy.probes.parts.listening import Diagnosis, Waiting, read_diagnosis, read_queues
from shipworthy.probes.parts.owners import Owners
from shipworthy.probes.parts.port_range import PortRange, range_or_all, read_range
from shipworthy.probes.parts.sockets import Sockets, read_sockets
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import only_number
from shipworthy.probes.runtime.seen import Eyes

VERSION = 1

_NOT_ASKED = "not asked"

Value = TypeVar("Value")


class Request(NamedTuple):
    """Which parts are wanted."""

    spent: bool = True
    """Ephemeral ports in use: reads the tables of sockets, as do the next two."""
    listening: bool = True
    may_connect_to: Optional[Allowed] = None
    """`[network, first port, last port]` each; None: not asked."""
    may_be_reached_from: Optional[Allowed] = None
    queues: bool = True
    """Accept queues: before and after the window."""
    conntrack: bool = True
    """Needs the window too."""
    own: bool = True
    """Who holds each listener: looks at all processes' descriptors. Those of what is nearly spent are looked for."""
    name_above_percent: float = 50.0
    """How much of the ephemeral ports must be spent until it is asked who holds them."""
    top: int = 5
    """How many destinations, sources, peers, programs and queues are named."""


class Settings(NamedTuple):
    """What the kernel was told."""

    tw_reuse: Optional[int]
    """0 never, 1 always, 2 on loopback: whether connect() may take over a connection in TIME_WAIT after a second."""
    timestamps: Optional[int]
    """Without timestamps (0) there is no such taking over."""
    bindv6only: Optional[int]
    """Whether an IPv6 socket serves IPv6 alone (1), if its program does not say otherwise."""
    somaxconn: Optional[int]
    """The most that a program can have as the length of an accept queue."""


class Ports(NamedTuple):
    """The reading."""

    settings: Settings
    range: Optional[PortRange]
    tcp: Optional[Tcp]
    udp: Optional[Udp]
    listening: Optional[List[Listening]]
    """TCP listeners, and UDP sockets without a peer; on ephemeral ports these are clients mostly."""
    queues: Optional[List[Queue]]
    """The fullest accept queues of those that were not empty, at both ends of the window."""
    outgoing: Optional[Crossings]
    incoming: Optional[Crossings]
    conntrack: Optional[Conntrack]
    counters: Dict[str, int]
    """Events since boot to be compared with an earlier run's: `conntrack_insert_failed`, `…_drop`, `…_early_drop`."""
    unseen: Dict[str, str]


READING = Ports


def probe(machine: Machine, request: Request) -> Generator[None, float, Ports]:
    """Measure. Yields once when queues or tracked connections are wanted, and again when tracking lost something."""
    before, losses, seconds = None, None, 0.0
    if request.queues or request.conntrack:
        before = Eyes(machine).see("queues", lambda: read_queues(machine)) if request.queues else None
        losses = _losses(machine) if request.conntrack else None
        seconds = yield
        if losses is not None and _losses(machine) != losses:
            seconds = yield
    look = _Look(machine, request)
    conntrack = look.at("conntrack", request.conntrack, lambda: read_conntrack(look.eyes, losses, seconds))
    return Ports(
        settings=_settings(look.eyes),
        range=look.at("range", True, lambda: read_range(machine)),
        tcp=look.at("tcp", request.spent, look.tcp),
        udp=look.at("udp", request.spent, look.udp),
        listening=look.at("listening", request.listening, look.listening),
        queues=look.at("queues", request.queues, lambda: look.queues(before)),
        outgoing=look.at("outgoing", request.may_connect_to is not None, look.outgoing),
        incoming=look.at("incoming", request.may_be_reached_from is not None, look.incoming),
        conntrack=conntrack,
        counters=_counters(conntrack),
        unseen=look.eyes.unseen,
    )


def _losses(machine: Machine) -> Optional[Losses]:
    return Eyes(machine).see("conntrack", lambda: read_losses(machine))


class _Look:
    """One look after the window."""

    def __init__(self, machine: Machine, request: Request) -> None:
        self.eyes = Eyes(machine)
        self.machine = machine
        self.request = request
        self.owners = Owners(self.eyes)
        self.known = range_or_all(machine)

    def at(self, field: str, wanted: bool, look: Callable[[], Value]) -> Optional[Value]:
        if wanted:
            return self.eyes.see(field, look)
        self.eyes.unseen[field] = _NOT_ASKED
        return None

    def tcp(self) -> Tcp:
        request = self.request
        known = read_range(self.machine)
        tables = self.tables("tcp")
        return read_tcp(tables, known, self.diagnosis(), self.owners, request.top, request.name_above_percent)

    def udp(self) -> Udp:
        known = read_range(self.machine)
        found = read_udp(self.tables("udp"), known, self.owners, self.request.top, self.request.name_above_percent)
        if found.holders is None:
            self.eyes.unseen["udp.holders"] = "not looked for: too little is spent"
        return found

    def listening(self) -> List[Listening]:
        self.tables("udp")
        owners = self.owners if self.request.own else None
        return read_listening(self.eyes, self.tables("tcp"), self.known, self.diagnosis(), owners)

    def queues(self, before: Optional[Dict[int, Waiting]]) -> List[Queue]:
        return read_queue_use(self.machine, before, self.diagnosis(), self.owners, self.request.top)

    def outgoing(self) -> Crossings:
        allowed = self.request.may_connect_to or []
        return went_out(self.tables("tcp"), allowed, self.known, self.owners, self.request.top)

    def incoming(self) -> Crossings:
        return came_in(self.tables("tcp"), self.request.may_be_reached_from or [], self.owners, self.request.top)

    def diagnosis(self) -> Optional[Diagnosis]:
        return self.eyes.see("diagnosis", lambda: read_diagnosis(self.machine))

    def tables(self, protocol: str) -> Sockets:
        """The sockets, if both tables of a protocol could be read; a host without IPv6 has one."""
        sockets = read_sockets(self.machine)
        for table in (protocol, protocol + "6"):
            if table in sockets.unseen and (table == protocol or self.machine.exists("/proc/net/" + table)):
                raise NotSeen(sockets.unseen[table])
        return sockets


def _settings(eyes: Eyes) -> Settings:
    def setting(field: str, path: str) -> Optional[int]:
        return eyes.see("settings." + field, lambda: only_number(eyes.machine.read(path), path))

    return Settings(
        tw_reuse=setting("tw_reuse", "/proc/sys/net/ipv4/tcp_tw_reuse"),
        timestamps=setting("timestamps", "/proc/sys/net/ipv4/tcp_timestamps"),
        bindv6only=setting("bindv6only", "/proc/sys/net/ipv6/bindv6only"),
        somaxconn=setting("somaxconn", "/proc/sys/net/core/somaxconn"),
    )


def _counters(conntrack: Optional[Conntrack]) -> Dict[str, int]:
    losses = conntrack.losses if conntrack is not None else None
    return {"conntrack_" + name: value for name, value in losses._asdict().items()} if losses is not None else {}
