"""A socket of this machine to one address, and the words for why there is none, here or at another place.

In: an address and a port, and a monotonic time until which everything has to be done. Raises `Unreached` in words that
tell what is this machine's from what is the other's.
"""

from __future__ import annotations

import errno
import socket
import time

from shipworthy.vantage.meeting import Stream

NO_ROUTE = "no route"
"""The machine that connects does not know how to get there: nothing is said of the server."""

_NO_ROUTE = {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EACCES, errno.EPERM}
_TOLD = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
}


class Unreached(Exception):
    """The other side was not reached, was silent, or hung up: in words."""


def connected(address: str, port: int, kind: socket.SocketKind, until: float) -> socket.socket:
    """A socket to `address` alone, which has a timeout. Raises Unreached, TimeoutError, OSError."""
    try:
        family, _, _, _, place = socket.getaddrinfo(address, port, type=kind, flags=socket.AI_NUMERICHOST)[0]
        connecting = socket.socket(family, kind)
    except OSError:
        raise Unreached(NO_ROUTE) from None
    try:
        connecting.settimeout(max(0.001, until - time.monotonic()))
        connecting.connect(place)
    except OSError as error:
        connecting.close()
        if has_no_route(error):
            raise Unreached(NO_ROUTE) from None
        raise
    return connecting


def has_no_route(error: OSError) -> bool:
    """Whether it is the machine that connects, and not the other one, that an error of connecting speaks of."""
    return error.errno in _NO_ROUTE


def received(stream: Stream, until: float, size: int = 65535) -> bytes:
    """What is there to be read, waited for until then."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    stream.settimeout(left)
    return stream.recv(size)


def told(error: OSError) -> str:
    """An error in words: `refused`, `reset`."""
    return _TOLD.get(error.errno or 0) or error.strerror or type(error).__name__
