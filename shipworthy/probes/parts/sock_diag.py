"""Socket diagnosis: the kernel's TCP sockets of both families, one message each, as `ss` asks for them.

In: states. Out: messages. It costs a third of what the tables in /proc/net cost, each of which walks every bucket of
the kernel's hash of connections: some milliseconds, also where there are none.
Source: sock_diag(7); linux/inet_diag.h; net/ipv4/inet_diag.c, whose older request (TCPDIAG_GETSOCK) alone asks for both
families at once; net/ipv4/tcp_diag.c tcp_diag_get_info.
"""

import os
import socket
import struct
from typing import Iterator, Optional

from shipworthy.probes.runtime.errors import ParseError

LISTEN, BOUND_INACTIVE = 10, 13
ALL_STATES = 0xFFF & ~1 | 1 << 12
"""But sockets that are bound only, which the tables do not have either."""
MESSAGE = struct.Struct("=BBBx2s2s16s16s16xIIII")
"""inet_diag_msg: family, state, timer; ports and addresses, ours first; both queues, uid, inode.

Of a listener, the first queue is what waits to be accepted, and the second the most that may."""
PORTS = slice(4, 8)
"""Where both ports stand in it."""

_SOCK_DIAG, _TCPDIAG_GETSOCK = 4, 18
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_REQUEST_DUMP = 0x301
_HEADER = struct.Struct("=IH10x")
_NUMBER = struct.Struct("=i")
_ATTRIBUTE = struct.Struct("=HH")
_SECONDS = 2.0


def dump(states: int) -> Iterator[bytes]:
    """The kernel's messages on all TCP sockets in these states (bits); listeners first. Raises OSError, ParseError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as link:
        link.settimeout(_SECONDS)
        ask = struct.pack("=52xII", states, 0)
        link.send(struct.pack("=IHHII", 16 + len(ask), _TCPDIAG_GETSOCK, _REQUEST_DUMP, 1, 0) + ask)
        over = False
        while not over:
            data, at = link.recv(65536), 0
            while not over and at + _HEADER.size <= len(data):
                length, kind = _HEADER.unpack_from(data, at)
                message = data[at + _HEADER.size : at + length]
                over = kind in (_NLMSG_DONE, _NLMSG_ERROR)
                if over:
                    _raise_error(message)
                elif len(message) < MESSAGE.size or at + length > len(data):
                    raise ParseError("socket diagnosis: a message of {} bytes in {}".format(length, len(data) - at))
                else:
                    yield message
                at += (length + 3) & ~3


def attribute(message: bytes, wanted: int) -> Optional[bytes]:
    """What a message tells besides, by the number of the attribute."""
    data = message[MESSAGE.size :]
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if kind == wanted:
            return data[_ATTRIBUTE.size : length]
        data = data[max(_ATTRIBUTE.size, (length + 3) & ~3) :]
    return None


def packed_address(family: int, address: bytes) -> bytes:
    """An address of socket diagnosis, which gives room for the longest, as it is."""
    return address[:4] if family == socket.AF_INET else address


def _raise_error(message: bytes) -> None:
    """The last message is a number, which is negative when something was wrong."""
    number = -_NUMBER.unpack_from(message)[0] if len(message) >= _NUMBER.size else 0
    if number > 0:
        raise OSError(number, os.strerror(number))
