"""One DNS question to one address over one transport, from here.

In: a question as `dns_messages.query` makes it. Out: `Heard`: the answer's bytes, or why there is none; never an error.
Each question has a fresh id and a port of its own; what answers something else is ignored, and waited past.
"""

from __future__ import annotations

import secrets
import socket
import time
from typing import NamedTuple

from shipworthy.vantage.connecting import NO_ROUTE, Unreached, connected, received, told

__all__ = ["NO_ROUTE", "PORT", "Heard", "ask", "is_truncated"]

PORT = 53
_HEADER = 12
_ANSWERS = 0x80
"""The bit QR, in a header's third byte."""
_TRUNCATED = 0x02
"""The bit TC, in the same byte."""


class Heard(NamedTuple):
    """What came of a question."""

    message: bytes
    """Its id 0."""
    error: str
    """`no answer within 2 s`, `refused`, `no route`, …; empty where there is an answer."""
    seconds: float


def ask(address: str, transport: str, question: bytes, wait: float) -> Heard:
    """Put `question` to `address` over `udp` or `tcp`, and wait for its answer for `wait` seconds in all."""
    begun = time.monotonic()
    question = secrets.token_bytes(2) + question[2:]
    message, error = b"", ""
    try:
        message = (_over_tcp if transport == "tcp" else _over_udp)(address, question, begun, wait)
    except Unreached as unreached:
        error = str(unreached)
    except TimeoutError:
        error = f"no answer within {wait:g} s"
    except OSError as failed:
        error = told(failed)
    return Heard(b"\0\0" + message[2:] if message else b"", error, time.monotonic() - begun)


def is_truncated(message: bytes) -> bool:
    """Whether an answer says of itself that it did not fit."""
    return len(message) >= _HEADER and bool(message[2] & _TRUNCATED)


def _over_udp(address: str, question: bytes, begun: float, wait: float) -> bytes:
    """Asked again at half time: a datagram may get lost, and that says nothing of the server."""
    with connected(address, PORT, socket.SOCK_DGRAM, begun + wait) as udp:
        for until in (begun + wait / 2, begun + wait):
            udp.send(question)
            try:
                while not _answers(data := received(udp, until), question):
                    pass
            except TimeoutError:
                continue
            return data
    raise TimeoutError


def _over_tcp(address: str, question: bytes, begun: float, wait: float) -> bytes:
    until = begun + wait
    with connected(address, PORT, socket.SOCK_STREAM, until) as tcp:
        tcp.sendall(len(question).to_bytes(2, "big") + question)
        data = _exactly(tcp, int.from_bytes(_exactly(tcp, 2, until), "big"), until)
    if not _answers(data, question):
        raise Unreached("answers something else")
    return data


def _exactly(stream: socket.socket, size: int, until: float) -> bytes:
    data = b""
    while len(data) < size:
        more = received(stream, until, size - len(data))
        if not more:
            raise Unreached("closed before its answer was whole" if data else "closed without an answer")
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
