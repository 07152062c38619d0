"""Name servers of a test's own: real sockets on this machine's loopback, that answer as they are told.

In: what to send back for a question: messages over UDP, bytes over TCP. Out: the port, and what the server was asked.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import dns.flags
import dns.message
import dns.rrset

ADDRESSES = {"A": "192.0.2.1", "AAAA": "2001:db8::1"}

OverUdp = Callable[[bytes], Sequence[bytes]]
OverTcp = Callable[[socket.socket, bytes], object]


@dataclass
class NameServer:
    """One that runs."""

    address: str
    port: int
    over_udp: list[bytes] = field(default_factory=list)
    """Questions as they came."""
    over_tcp: list[bytes] = field(default_factory=list)


def answer(question: bytes, *, truncated: bool = False, address: str = "") -> bytes:
    """A sound answer."""
    asked = dns.message.from_wire(question)
    reply = dns.message.make_response(asked)
    (about,) = asked.question
    kind = about.rdtype.name
    if truncated:
        reply.flags |= dns.flags.TC
    elif kind in ADDRESSES:
        reply.answer.append(dns.rrset.from_text(about.name, 60, "IN", kind, address or ADDRESSES[kind]))
    return reply.to_wire()


def kind_of(question: bytes) -> str:
    return dns.message.from_wire(question).question[0].rdtype.name


def well(question: bytes) -> list[bytes]:
    return [answer(question)]


def silent(_: bytes) -> list[bytes]:
    return []


def well_over_tcp(connection: socket.socket, question: bytes) -> None:
    connection.sendall(framed(answer(question)))


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


@contextmanager
def name_server(
    over_udp: OverUdp = well,
    over_tcp: OverTcp | None = well_over_tcp,
    address: str = "127.0.0.1",
    port: int = 0,
    late: float = 0.0,
) -> Iterator[NameServer]:
    """A server; without `over_tcp` nobody listens there. `late`: seconds that each answer over UDP takes."""
    with ExitStack() as stack:
        udp, tcp = _bound(address, port)
        for one in (udp, tcp):
            stack.enter_context(one)
            stack.callback(_wake, one, socket.SHUT_RDWR)
        made = NameServer(address, udp.getsockname()[1])
        _start(lambda: _serve_udp(udp, made, over_udp, late))
        if over_tcp:
            tcp.listen(50)
            _start(lambda: _serve_tcp(tcp, made, over_tcp))
        yield made


def _bound(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Sockets for UDP and TCP at one port, outside of what the kernel gives to clients if it is not given."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    plain, _, scope = address.partition("%")
    while True:
        udp, tcp = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_STREAM)
        try:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            for one in (udp, tcp):
                number = port or udp.getsockname()[1] or random.randrange(10_000, 30_000)
                one.bind((plain, number, 0, socket.if_nametoindex(scope)) if scope else (plain, number))
        except OSError:
            udp.close()
            tcp.close()
            if port:
                raise
        else:
            return udp, tcp


def _start(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()


def _wake(one: socket.socket, how: int) -> None:
    with suppress(OSError):
        one.shutdown(how)


def _serve_udp(udp: socket.socket, made: NameServer, over_udp: OverUdp, late: float) -> None:
    def say(messages: Sequence[bytes], to: tuple[Any, ...]) -> None:
        with suppress(OSError):
            for message in messages:
                udp.sendto(message, to)

    with suppress(OSError):
        while True:
            question, source = udp.recvfrom(65535)
            if not question:
                return
            made.over_udp.append(question)
            messages = over_udp(question)
            if late:
                timer = threading.Timer(late, say, (messages, source))
                timer.daemon = True
                timer.start()
            else:
                say(messages, source)


def _serve_tcp(listener: socket.socket, made: NameServer, over_tcp: OverTcp) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            _start(partial(_speak, connection, made, over_tcp))


def _speak(connection: socket.socket, made: NameServer, over_tcp: OverTcp) -> None:
    with connection, suppress(OSError):
        size = int.from_bytes(connection.recv(2, socket.MSG_WAITALL), "big")
        question = connection.recv(size, socket.MSG_WAITALL)
        made.over_tcp.append(question)
        over_tcp(connection, question)


def stays_silent(connection: socket.socket, _: bytes) -> None:
    """Over TCP: takes the question, and says nothing."""
    time.sleep(10)
