"""A connected socket to a host: resolving, TCP over all addresses of both families, or a ProxyCommand's.

Each has its deadline, also the resolver, which has none of its own.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

from shipworthy.errors import LinkError
from shipworthy.links.opened import Era
from shipworthy.links.text import last_line, seconds_as_text

_Address = tuple[socket.AddressFamily, tuple[Any, ...]]


def resolve(name: str, port: int, *, family: int, seconds: float, era: Era) -> list[_Address]:
    """All stream addresses of `name`, in the resolver's order. Raises `LinkError("resolve", …)`."""
    if _is_literal(name):
        return _look_up(name, port, family)
    found: list[_Address] = []
    failed: list[LinkError] = []
    done = threading.Event()

    def look_up() -> None:
        try:
            found.extend(_look_up(name, port, family))
        except LinkError as error:
            failed.append(error)
        finally:
            done.set()

    # getaddrinfo cannot be ended: its thread is left behind when it takes too long.
    threading.Thread(target=look_up, name=f"resolve {name}", daemon=True).start()
    with era.closing("resolve", done.set):
        done.wait(seconds)
    era.check("resolve")
    if failed:
        raise failed[0]
    if not found:
        raise LinkError("resolve", f"{name}: no answer from the resolver within {seconds_as_text(seconds)}")
    return found


def _is_literal(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def _look_up(name: str, port: int, family: int) -> list[_Address]:
    try:
        found = socket.getaddrinfo(name, port, family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise LinkError("resolve", f"{name}: {reason}") from None
    return [(entry[0], entry[4]) for entry in found]


def connect(addresses: list[_Address], *, seconds: float, era: Era) -> socket.socket:
    """A TCP connection to the first address that takes one; they share the time. Raises `LinkError("connect", …)`."""
    until = time.monotonic() + seconds
    reasons = []
    for number, (family, address) in enumerate(addresses):
        share = max(0.05, (until - time.monotonic()) / (len(addresses) - number))
        try:
            return _connect(family, address, share, era)
        except OSError as error:
            reasons.append(f"{address[0]} port {address[1]}: {_words(error, share)}")
    raise LinkError("connect", "; ".join(dict.fromkeys(reasons)))


def _words(error: OSError, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {seconds_as_text(seconds)}"
    return (error.strerror or str(error)).lower()


def _connect(family: int, address: tuple[Any, ...], seconds: float, era: Era) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.settimeout(seconds)
        with era.closing("connect", lambda: opened.shutdown(socket.SHUT_RDWR)):
            opened.connect(address)
        era.check("connect")
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        opened.close()
        raise
    return opened


def address_of(connected: object) -> str | None:
    """The address at the other end of a TCP connection; None for what is none."""
    if not isinstance(connected, socket.socket) or connected.family == socket.AF_UNIX:
        return None
    try:
        return socket.getnameinfo(connected.getpeername(), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
    except OSError:
        return None


@contextlib.contextmanager
def proxied(command: str, era: Era) -> Iterator[socket.socket]:
    """A socket whose other end is the standard input and output of `command`, a line for /bin/sh.

    When the body raises a `LinkError`, what the command said last is added to it.
    """
    ours, its = socket.socketpair()
    with ours, tempfile.TemporaryFile() as said:
        with its:
            process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=its.fileno(),
                stdout=its.fileno(),
                stderr=said,
                start_new_session=True,
            )
        try:
            with era.closing("connect", lambda: ours.shutdown(socket.SHUT_RDWR)):
                yield ours
        except LinkError as error:
            words = last_line(os.pread(said.fileno(), 65536, max(0, os.fstat(said.fileno()).st_size - 65536)))
            raise LinkError(error.rung, f"{error.reason}; ProxyCommand said: {words}") if words else error from None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
