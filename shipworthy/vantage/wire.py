"""One DNS question to one address over one transport, from here.

In: a question as `dns_messages.query` makes it. Out: `Heard`: the answer's bytes, or why there is none; never an error.
Each question has a fresh id and a port of its own; what answers something else is ignored, and waited past.
"""

from __future__ import annotations

import errno
import secrets
import socket
import time
from typing import NamedTuple

PORT = 53
NO_ROUTE = "no route"
"""This machine does not know how to get there: nothing is said of the server."""

_HEADER = 12
_ANSWERS = 0x80
"""The bit QR, in a header's third byte."""
_TRUNCATED = 0x02
"""The bit TC, in the same byte."""
_NO_ROUTE = {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EACCES, errno.EPERM}
_TOLD = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
}


class Heard(NamedTuple):
    """What came of a question."""

    message: bytes
    """Its id 0."""
    error: str
    """`no answer within 2 s`, `refused`, `no route`, …; empty where there is an answer."""
    seconds: float


class _Silent(Exception):
    """The time is up, or the other side hung up."""


def ask(address: str, transport: str, question: bytes, wait: float) -> Heard:
    """Put `question` to `address` over `udp` or `tcp`, and wait for its answer for `wait` seconds in all."""
    begun = time.monotonic()
    question = secrets.token_bytes(2) + question[2:]
    message, error = b"", ""
    try:
        message = (_over_tcp if transport == "tcp" else _over_udp)(address, question, begun, wait)
    except _Silent as silent:
        error = str(silent)
    except TimeoutError:
        error = f"no answer within {wait:g} s"
    except OSError as failed:
        error = _TOLD.get(failed.errno or 0) or failed.strerror or type(failed).__name__
    return Heard(b"\0\0" + message[2:] if message else b"", error, time.monotonic() - begun)


def is_truncated(message: bytes) -> bool:
    """Whether an answer says of itself that it did not fit."""
    return len(message) >= _HEADER and bool(message[2] & _TRUNCATED)


def _over_udp(address: str, question: bytes, begun: float, wait: float) -> bytes:
    """Asked again at half time: a datagram may get lost, and that says nothing of the server."""
    with _connected(address, socket.SOCK_DGRAM, begun + wait) as udp:
        for until in (begun + wait / 2, begun + wait):
            udp.send(question)
            try:
                while not _answers(data := _received(udp, until), question):
                    pass
            except TimeoutError:
                continue
            return data
    raise TimeoutError


def _over_tcp(address: str, question: bytes, begun: float, wait: float) -> bytes:
    until = begun + wait
    with _connected(address, socket.SOCK_STREAM, until) as tcp:
        tcp.sendall(len(question).to_bytes(2, "big") + question)
        data = _exactly(tcp, int.from_bytes(_exactly(tcp, 2, until), "big"), until)
    if not _answers(data, question):
        raise _Silent("answers something else")
    return data


def _connected(address: str, kind: socket.SocketKind, until: float) -> socket.socket:
    """A socket to `address` alone: the kernel drops what comes from elsewhere, and tells what comes back of errors."""
    try:
        family, _, _, _, place = socket.getaddrinfo(address, PORT, type=kind, flags=socket.AI_NUMERICHOST)[0]
        connecting = socket.socket(family, kind)
    except OSError:
        raise _Silent(NO_ROUTE) from None
    try:
        connecting.settimeout(max(0.001, until - time.monotonic()))
        connecting.connect(place)
    except OSError as error:
        connecting.close()
        if error.errno in _NO_ROUTE:
            raise _Silent(NO_ROUTE) from None
        raise
    return connecting


def _received(stream: socket.socket, until: float, size: int = 65535) -> bytes:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    stream.settimeout(left)
    return stream.recv(size)


def _exactly(stream: socket.socket, size: int, until: float) -> bytes:
    data = b""
    while len(data) < size:
        more = _received(stream, until, size - len(data))
        if not more:
            raise _Silent("closed before its answer was whole" if data else "closed without an answer")
        data += more
    return data


def _answers(data: bytes, question: bytes) -> bool:
    """Whether the bytes are an answer to this question: its id, and its name and type where it repeats them."""
    if len(data) < _HEADER or data[:2] != question[:2] or not data[2] & _ANSWERS:
        return False
    if data[4:6] == b"\0\0":
        return True  # REFUSED and FORMERR may leave the question out
    asked = question[_HEADER : question.index(b"\0", _HEADER) + 5]
    return data[_HEADER : _HEADER + len(asked)].lower() == asked.lower()
