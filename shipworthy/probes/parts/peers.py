"""How the hosts that policy names are reached from here: every address of both families, by echo and by TCP.

In: what is wanted of each peer. Out: `Peer`s. Each address has a thread of its own, which works while the window
passes; a budget bounds how many there are and how long they take. Traffic per address: `packets` echo requests (three
times as many when some are lost), three connects that send nothing, a dozen packets of different sizes.
Source: RFC 8305 for what clients do with two families; knowledge of ss(8) for the segments that are sent again.
"""

import ipaddress
import re
import socket
import threading
import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from shipworthy.probes.parts.connects import NO_ROUTE, Connects, try_connects
from shipworthy.probes.parts.echo import Echo
from shipworthy.probes.runtime.child import Abandoned, ChildError
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine

BUDGET = 16.0
"""Seconds from the first packet to the last answer."""
AT_MOST = 32
"""Addresses in all."""
METADATA = {"169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"}
"""Where clouds tell a machine its secrets: never a target, whatever name leads there."""
WIRE_SERVER = "168.63.129.16"
"""Azure's, which does so too; but it is the name server there as well."""

_RESOLVING = 3.0
_CLOSEST = 0.01
_PATIENCE = 1.0
_SIZES = (9000, 1500, 1492, 1480, 1476, 1460, 1450, 1440, 1420, 1400, 1280, 576)
"""What paths commonly carry: jumbo frames, Ethernet, PPPoE, tunnels, clouds, WireGuard, the least of IPv6, of IPv4."""
_RETRANSMITTED = re.compile(r"\bretrans:\d+/(\d+)")
_SENT = re.compile(r"\bsegs_out:(\d+)")


class Wanted(NamedTuple):
    """What is asked of one peer."""

    address: str
    port: Optional[int] = None
    packets: int = 20
    mtu: Optional[int] = None
    segments: bool = False
    """Also how many segments of the connections that are open to it were sent again."""


class Address(NamedTuple):
    """One address of a peer, and how it is reached."""

    family: str
    """ipv4 or ipv6."""
    address: str
    sent: int
    answered: int
    median_seconds: Optional[float]
    """Round trip of the echoes that were answered; without those, of the connects."""
    best_seconds: Optional[float]
    echo_error: str
    """Why no echo could be sent, or what the kernel said when it was; empty if all went out."""
    no_route: bool
    """This host itself has no way to it: nothing was sent."""
    connects: Optional[Connects]
    mtu: Optional[int]
    """The largest size that went through whole, of those tried."""


class Peer(NamedTuple):
    """One peer."""

    addresses: List[Address]
    error: str
    """Why there are none, or not all: the name does not resolve, the budget is spent."""
    segments: Optional[int]
    """Sent in all over the connections that are open to it now."""
    segments_again: Optional[int]
    segments_unseen: str


class Peers:
    """Starts to ask, and gathers what was found."""

    def __init__(self, machine: Machine, wanted: Mapping[str, Mapping[str, Any]]) -> None:
        self._machine = machine
        self._wanted = {name: Wanted(**fields) for name, fields in wanted.items()}
        self._found: Dict[str, List[Address]] = {name: [] for name in self._wanted}
        self._errors: Dict[str, str] = {}
        self._lock = threading.Lock()
        self._left = AT_MOST
        self._until = time.monotonic() + BUDGET
        self._threads = [
            threading.Thread(target=self._ask, args=(name, one), daemon=True) for name, one in self._wanted.items()
        ]

    def start(self) -> None:
        """Begin; of a recorded tree there is nobody to ask."""
        for thread in [] if self._machine.recorded else self._threads:
            thread.start()

    def gather(self) -> Dict[str, Peer]:
        """Wait until all is answered, or the budget is spent."""
        if self._machine.recorded:
            return {name: Peer([], "a recorded tree has no network", None, None, "") for name in self._wanted}
        for thread in self._threads:
            thread.join(max(0.0, self._until + 1.0 - time.monotonic()))
        with self._lock:
            late = {name for name, thread in zip(self._wanted, self._threads) if thread.is_alive()}
            errors = {name: self._errors.get(name, "") for name in self._wanted}
            errors.update({name: "not done within {:g} s".format(BUDGET) for name in late})
            found = {name: list(addresses) for name, addresses in self._found.items()}
        return {name: self._peer(name, found[name], errors[name]) for name in self._wanted}

    def _peer(self, name: str, addresses: List[Address], error: str) -> Peer:
        if not self._wanted[name].segments or not addresses:
            return Peer(addresses, error, None, None, "not asked")
        try:
            sent, again = segments(self._machine, [each.address for each in addresses])
        except NotSeen as reason:
            return Peer(addresses, error, None, None, str(reason))
        return Peer(addresses, error, sent, again, "")

    def _ask(self, name: str, wanted: Wanted) -> None:
        """One peer: its addresses, each in a thread, so that a dead one delays no other."""
        try:
            targets = resolve(self._machine, wanted.address, wanted.port or 0)
        except NotSeen as reason:
            self._fail(name, str(reason))
            return
        threads = []
        for family, target in targets:
            if is_metadata(str(target[0])):
                self._fail(name, "{} is an address of a cloud's metadata, which is never asked".format(target[0]))
                continue
            with self._lock:
                self._left -= 1
                if self._left < 0:
                    self._errors[name] = "more than {} addresses in all".format(AT_MOST)
                    break
            threads.append(threading.Thread(target=self._one, args=(name, wanted, family, target), daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def _one(self, name: str, wanted: Wanted, family: int, target: Tuple[Any, ...]) -> None:
        try:
            connects = try_connects(family, target, self._until) if wanted.port else None
            address = _echoed(wanted, family, target, connects)
        except Exception as error:  # noqa: BLE001 -- a thread's end: an address that is left out must be told
            self._fail(name, "{}: {}: {}".format(target[0], type(error).__name__, error))
            return
        with self._lock:
            self._found[name].append(address)
            self._found[name].sort(key=lambda each: (each.family, each.address))

    def _fail(self, name: str, reason: str) -> None:
        with self._lock:
            self._errors[name] = reason


def is_metadata(address: str) -> bool:
    """Whether it is one of those addresses, an IPv4 one in IPv6's clothes included."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return str(getattr(found, "ipv4_mapped", None) or found) in METADATA


def resolve(machine: Machine, name: str, port: int) -> List[Tuple[int, Tuple[Any, ...]]]:
    """The addresses of a name, of both families, asked in a child: resolvers can be slow. Raises `NotSeen`."""

    def look() -> List[Any]:
        found = socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM)
        return [[int(family), list(target)] for family, _, _, _, target in found]

    try:
        found = look() if _is_literal(name) else machine.ask(look, _RESOLVING)
    except Abandoned:
        raise NotSeen("{}: no answer from the resolver within {:g} s".format(name, _RESOLVING)) from None
    except (ChildError, OSError) as error:
        raise NotSeen("{} does not resolve: {}".format(name, str(error).partition("] ")[2] or error)) from None
    known = (socket.AF_INET, socket.AF_INET6)
    unique = {(family, target[0]): (family, tuple(target)) for family, target in found if family in known}
    return list(unique.values())


def segments(machine: Machine, addresses: List[str]) -> Tuple[int, int]:
    """Segments sent, and sent again, over the open connections to these addresses. Raises `NotSeen`."""
    command = ["ss", "-Htni", "state", "established"]
    for number, address in enumerate(addresses):
        command += (["or"] if number else []) + ["dst", "[{}]".format(address) if ":" in address else address]
    try:
        done = machine.run(command, 5.0)
    except Abandoned as error:
        raise NotSeen("ss: {}".format(error)) from None
    if done.exit_status:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["status {}".format(done.exit_status)]
        raise NotSeen("connections are told by ss(8) alone: {}".format(said[0][:200]))
    text = done.stdout.decode("utf-8", "replace")
    return sum(map(int, _SENT.findall(text))), sum(map(int, _RETRANSMITTED.findall(text)))


def _echoed(wanted: Wanted, family: int, target: Tuple[Any, ...], connects: Optional[Connects]) -> Address:
    name = "ipv4" if family == socket.AF_INET else "ipv6"
    best = connects.best_seconds if connects else None

    def told(sent: int, seconds: List[float], error: str, no_way: bool, mtu: Optional[int] = None) -> Address:
        median = sorted(seconds)[len(seconds) // 2] if seconds else best
        least = min(seconds) if seconds else best
        return Address(name, str(target[0]), sent, len(seconds), median, least, error, no_way, connects, mtu)

    no_route = connects is not None and connects.no_route
    if not wanted.packets:
        return told(0, [], "not asked", no_route)
    try:
        echo = Echo(family, (target[0], 0) + tuple(target[2:]))
    except NotSeen as reason:
        return told(0, [], str(reason), no_route)
    except OSError as error:
        return told(0, [], error.strerror or str(error), error.errno in NO_ROUTE)
    try:
        spacing = max(_CLOSEST, 1.0 / wanted.packets)
        sent, seconds, refused = echo.ping(0, wanted.packets, spacing, _PATIENCE)
        if 0 < len(seconds) < sent:  # some are lost: a longer look tells bad luck from a bad path
            more = echo.ping(sent, min(300, 2 * sent), spacing, _PATIENCE)
            sent, seconds, refused = sent + more.sent, seconds + more.seconds, refused or more.error
        mtu = None
        if wanted.mtu and seconds:
            sizes = sorted({wanted.mtu} | {size for size in _SIZES if size < wanted.mtu})
            mtu = echo.whole(sizes, 40000, _PATIENCE)
        return told(sent, seconds, refused, no_way=False, mtu=mtu)
    finally:
        echo.close()


def _is_literal(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
