"""Tables of sockets as the kernel prints them, for small recorded trees.

tcp(listen("0.0.0.0", 443), *connections("10.0.0.5", range(40000, 40090), "10.0.0.9", 5432))
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

_TCP_HEAD = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
    "                                                     \n"
)
_TCP6_HEAD = (
    "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when"
    " retrnsmt   uid  timeout inode\n"
)
_UDP_HEAD = (
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
    " ref pointer drops            \n"
)
STATES = {
    "ESTABLISHED": "01",
    "SYN_SENT": "02",
    "SYN_RECV": "03",
    "TIME_WAIT": "06",
    "CLOSE": "07",  # UDP without a peer
    "CLOSE_WAIT": "08",
    "LISTEN": "0A",
}


@dataclass(frozen=True)
class Socket:
    """One line of a table."""

    local: str
    port: int
    peer: str = ""
    """Empty: none."""
    peer_port: int = 0
    state: str = "ESTABLISHED"
    inode: int = 1
    queued: int = 0
    timer: str = "00"
    """02 keepalive, 03 TIME_WAIT, 04 the probe of a window of zero."""
    uid: int = 0
    drops: int = 0

    def line(self, number: int, *, six: bool, udp: bool = False) -> str:
        nowhere = "::" if six else "0.0.0.0"
        ends = f"{_end(self.local, self.port, six)} {_end(self.peer or nowhere, self.peer_port, six)}"
        line = (
            f"{number:4d}: {ends} {STATES[self.state]} 00000000:{self.queued:08X} {self.timer}:00000000 00000000 "
            f"{self.uid:5d}        0 {self.inode}"
        )
        if udp:
            return f"{line} 2 0000000000000000 {self.drops}\n"
        if self.state == "TIME_WAIT":
            return f"{line} 3 0000000000000000\n"
        return f"{line} 1 0000000000000000 20 4 30 10 -1\n"


def listen(local: str, port: int, *, inode: int = 1, queued: int = 0) -> Socket:
    """A TCP listener."""
    return Socket(local, port, state="LISTEN", inode=inode, queued=queued)


def bound(local: str, port: int, *, inode: int = 1) -> Socket:
    """A UDP socket without a peer."""
    return Socket(local, port, state="CLOSE", inode=inode)


def connections(
    local: str, ports: Iterable[int], peer: str, peer_port: int, *, state: str = "ESTABLISHED", inode: int = 2
) -> list[Socket]:
    """Connections from each of `ports` to one end; those in TIME_WAIT have no inode any more."""
    waits = state == "TIME_WAIT"
    return [
        Socket(local, port, peer, peer_port, state, 0 if waits else inode, timer="03" if waits else "00")
        for port in ports
    ]


def tcp(*sockets: Socket) -> str:
    """/proc/net/tcp; the kernel prints listeners first."""
    return _TCP_HEAD + _body(sockets, six=False)


def tcp6(*sockets: Socket) -> str:
    """/proc/net/tcp6; IPv4 addresses are mapped."""
    return _TCP6_HEAD + _body(sockets, six=True)


def udp(*sockets: Socket) -> str:
    """/proc/net/udp."""
    return _UDP_HEAD + "".join(each.line(number, six=False, udp=True) for number, each in enumerate(sockets, 77))


def udp6(*sockets: Socket) -> str:
    """/proc/net/udp6."""
    return _UDP_HEAD + "".join(each.line(number, six=True, udp=True) for number, each in enumerate(sockets, 77))


def _body(sockets: Iterable[Socket], *, six: bool) -> str:
    return "".join(each.line(number, six=six) for number, each in enumerate(sockets))


def _end(address: str, port: int, six: bool) -> str:
    parsed = ipaddress.ip_address(address)
    packed = parsed.packed if parsed.version == 6 or not six else bytes(10) + b"\xff\xff" + parsed.packed
    words = (packed[at : at + 4][::-1].hex().upper() for at in range(0, len(packed), 4))
    return f"{''.join(words)}:{port:04X}"
