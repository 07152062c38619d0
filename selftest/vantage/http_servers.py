"""Real HTTP on loopback: one that answers as responders do, and what hostile ones say, byte by byte.

In: what is to be answered. Out: a handle for `tls_servers.serving`.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from selftest.vantage.tls_servers import Handle

Answer = bytes | Callable[[bytes], bytes]
"""A body; or what makes one of what was posted."""


@dataclass
class Responder:
    """Answers by path; what it has not is not found."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Method, path and body, as they came."""
    heads: list[Mapping[str, str]] = field(default_factory=list)

    def __call__(self, stream: socket.socket) -> None:
        """One exchange."""
        method, path, head, body = heard(stream)
        self.asked.append((method, path, body))
        self.heads.append(head)
        answer = self.answers.get(path)
        if answer is None:
            stream.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        else:
            data = answer if isinstance(answer, bytes) else answer(body)
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data))


def heard(stream: socket.socket) -> tuple[str, str, dict[str, str], bytes]:
    """A whole request."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = stream.recv(4096)
        assert more
        data += more
    lines, _, body = data.partition(b"\r\n\r\n")
    first, *rest = lines.decode("ascii").split("\r\n")
    head = {name.lower(): value for name, value in (line.split(": ", 1) for line in rest)}
    while len(body) < int(head.get("content-length", "0")):
        body += stream.recv(4096)
    method, path, _ = first.split(" ")
    return method, path, head, body


def saying(*pieces: bytes, forever: bytes = b"", pause: float = 0.0) -> Handle:
    """Hear a request, say `pieces`, and then the same for ever."""

    def handle(stream: socket.socket) -> None:
        heard(stream)
        for piece in pieces:
            stream.sendall(piece)
        while forever:
            stream.sendall(forever)
            time.sleep(pause)

    return handle
