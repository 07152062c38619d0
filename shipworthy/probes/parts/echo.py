"""Echo requests (ping): one socket to one address, for loss, round trips, and the size that a path carries whole.

In: an address of either family. Out: how many were sent and answered, how long each took.
An ordinary user may send them where net.ipv4.ping_group_range says so; otherwise it needs root.
Source: icmp(7), RFC 792, RFC 4443; include/uapi/linux/in.h (IP_PMTUDISC_PROBE: don't fragment, whatever is cached).
"""

import errno
import os
import select
import socket
import struct
import time
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from shipworthy.probes.runtime.errors import NotSeen

NEEDS_ROOT = "an echo from a user outside net.ipv4.ping_group_range needs root"
_TOKEN = 8
_LONGEST = 65535


class Kind(NamedTuple):
    """What differs between the families."""

    protocol: int
    request: int
    reply: int
    headers: int
    """Bytes of a packet that are not the echo's own: of IP and ICMP."""
    discover: Tuple[int, int]
    """The option that says how the path's MTU is heeded (IP_MTU_DISCOVER, IPV6_MTU_DISCOVER)."""


KINDS: Dict[int, Kind] = {
    socket.AF_INET: Kind(socket.IPPROTO_ICMP, 8, 0, 28, (socket.IPPROTO_IP, 10)),
    socket.AF_INET6: Kind(socket.IPPROTO_ICMPV6, 128, 129, 48, (socket.IPPROTO_IPV6, 23)),
}
_PMTUDISC_PROBE = 3


class Echoes(NamedTuple):
    """What became of some requests."""

    sent: int
    seconds: List[float]
    """Of each that was answered, how long it took."""
    error: str
    """What this host's own kernel said while sending, the last time it refused; empty if it never did."""


class Echo:
    """A socket that is connected to one address; `close` it."""

    def __init__(self, family: int, address: Sequence[object]) -> None:
        """Raises `NotSeen` where this user may send none; OSError, such as for no route."""
        self._kind = KINDS[family]
        self._identity = os.getpid() & 0xFFFF
        self._token = os.urandom(_TOKEN)
        self._raw = False
        try:
            self._socket = socket.socket(family, socket.SOCK_DGRAM, self._kind.protocol)
        except OSError:
            self._raw = True
            try:
                self._socket = socket.socket(family, socket.SOCK_RAW, self._kind.protocol)
            except PermissionError:
                raise NotSeen(NEEDS_ROOT) from None
        try:
            self._socket.setblocking(False)
            self._socket.connect(tuple(address))
        except OSError:
            self._socket.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def ping(self, first: int, count: int, spacing: float, patience: float) -> Echoes:
        """Send so many, so far apart, and wait for the last answer so long."""
        sent: Dict[int, float] = {}
        took: Dict[int, float] = {}
        error, due = "", time.monotonic()
        while len(took) < count:
            now = time.monotonic()
            if len(sent) < count and now >= due:
                sequence = first + len(sent)
                sent[sequence] = time.monotonic()
                error = self._send(sequence, 0) or error
                due += spacing
                continue
            until = due if len(sent) < count else max(sent.values()) + patience
            if now >= until:
                break
            for sequence, at in self._answers(until - now):
                if sequence in sent:
                    took.setdefault(sequence, at - sent[sequence])
        return Echoes(len(sent), list(took.values()), error)

    def whole(self, sizes: Sequence[int], first: int, patience: float) -> Optional[int]:
        """The largest of these packet sizes that is answered without being fragmented on the way; None if none is."""
        level, option = self._kind.discover
        self._socket.setsockopt(level, option, _PMTUDISC_PROBE)
        asked = {first + number: size for number, size in enumerate(sizes)}
        open_until = time.monotonic() + patience
        answered: Dict[int, int] = {}
        for sequence, size in asked.items():
            self._send(sequence, size - self._kind.headers)
        again = time.monotonic() + patience / 2
        while len(answered) < len(asked) and time.monotonic() < open_until:
            if time.monotonic() >= again:  # each gets a second chance: one may be lost for another reason
                for sequence in asked.keys() - answered.keys():
                    self._send(sequence, asked[sequence] - self._kind.headers)
                again = open_until
            for sequence, _ in self._answers(min(again, open_until) - time.monotonic()):
                if sequence in asked:
                    answered[sequence] = asked[sequence]
        return max(answered.values()) if answered else None

    def _send(self, sequence: int, payload: int) -> str:
        """Send one; what the kernel said if it would not."""
        body = self._token + bytes(bytearray(max(0, payload - _TOKEN)))
        head = struct.pack("!BBHHH", self._kind.request, 0, 0, self._identity, sequence)
        if self._kind.protocol == socket.IPPROTO_ICMP:  # the kernel fills in that of ICMPv6
            head = struct.pack("!BBHHH", self._kind.request, 0, checksum(head + body), self._identity, sequence)
        try:
            self._socket.send(head + body)
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def _answers(self, seconds: float) -> List[Tuple[int, float]]:
        """The sequence numbers of answers that are there within so long, and when each was seen."""
        watch = select.poll()
        watch.register(self._socket, select.POLLIN)
        found: List[Tuple[int, float]] = []
        if not watch.poll(max(0.0, seconds) * 1000):
            return []
        while True:
            try:
                packet = self._socket.recv(_LONGEST)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNREFUSED, errno.EMSGSIZE):
                    continue  # an ICMP error about an earlier request: that one stays unanswered
                raise
            sequence = self._sequence(packet)
            if sequence is not None:
                found.append((sequence, time.monotonic()))

    def _sequence(self, packet: bytes) -> Optional[int]:
        if self._raw and self._kind.protocol == socket.IPPROTO_ICMP:
            packet = packet[(packet[0] & 15) * 4 :]
        if len(packet) < 8 + _TOKEN or packet[0] != self._kind.reply or packet[8 : 8 + _TOKEN] != self._token:
            return None
        return packet[6] << 8 | packet[7]


def checksum(data: bytes) -> int:
    """The Internet's (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack("!{}H".format(len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
