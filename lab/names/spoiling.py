"""A name server that asks another, and spoils what it hears in one way. Runs on a lab host, with its own Python.

In: `slow SECONDS` or `rewrite ADDRESS`, the address to listen on, and the one to ask. Out: answers over UDP and TCP.
"""

import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

_PORT = 53
_NXDOMAIN, _A = 3, 1

Spoil = Callable[[bytes], bytes]
"""From a question to its answer."""


def main(how: str, value: str, listen: str, upstream: str) -> None:
    """Serve until somebody ends it."""

    def spoiled(question: bytes) -> bytes:
        answer = ask(upstream, question)
        if how == "slow":
            time.sleep(float(value))
            return answer
        return rewritten(answer, value)

    tcp = socket.create_server((listen, _PORT), backlog=64)
    threading.Thread(target=serve_tcp, args=(tcp, spoiled), daemon=True).start()
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((listen, _PORT))
    while True:
        question, peer = udp.recvfrom(65536)
        threading.Thread(target=lambda q=question, p=peer: udp.sendto(spoiled(q), p), daemon=True).start()


def serve_tcp(server: socket.socket, spoiled: Spoil) -> None:
    """One question a connection, or several."""
    while True:
        one, _ = server.accept()
        threading.Thread(target=converse, args=(one, spoiled), daemon=True).start()


def converse(one: socket.socket, spoiled: Spoil) -> None:
    """Answer what a client asks over TCP, until it has had enough."""
    with one, one.makefile("rb") as questions:
        while len(length := questions.read(2)) == 2:
            answer = spoiled(questions.read(struct.unpack("!H", length)[0]))
            one.sendall(struct.pack("!H", len(answer)) + answer)


def ask(upstream: str, question: bytes) -> bytes:
    """What the other server says."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(5)
        one.connect((upstream, _PORT))
        one.send(question)
        return one.recv(65536)


def rewritten(answer: bytes, address: str) -> bytes:
    """Instead of NXDOMAIN, an address where somebody sells something: NOERROR, and for IPv6 nothing."""
    if answer[3] & 15 != _NXDOMAIN:
        return answer
    end = answer.index(b"\0", 12) + 5
    (type,) = struct.unpack("!H", answer[end - 4 : end - 2])
    record = b"\xc0\x0c" + struct.pack("!HHIH", _A, 1, 60, 4) + socket.inet_aton(address) if type == _A else b""
    counts = struct.pack("!HHHH", 1, 1 if record else 0, 0, 0)
    return answer[:3] + bytes([answer[3] & 0xF0]) + counts + answer[12:end] + record


if __name__ == "__main__":
    main(*sys.argv[1:])
