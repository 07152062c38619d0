"""TCP connections that are opened and closed, and those that are left with half a request.

In: an address and a port. Out: how many connects of how many were answered, and how fast; how soon a listener closes
on a client that says half of what it should, and then nothing.
"""

import errno
import os
import select
import socket
import threading
import time
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple

from shipworthy.probes.runtime.machine import Machine

CAP = 2.0
"""Seconds after which a connect is given up; the kernel itself tries for two minutes."""

NO_ROUTE = (errno.ENETUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
"""What the kernel says when this host itself has no way to an address."""

_TRIES = 3
_APART = 0.3


class Connects(NamedTuple):
    """Attempts to connect to one address."""

    tried: int
    connected: int
    best_seconds: Optional[float]
    error: str
    """What the last one that failed met: Connection refused, timed out, Network is unreachable."""
    no_route: bool
    """This host itself has no way to the address: nothing was sent."""


class HalfSent(NamedTuple):
    """What a listener did with a client that sent half a request."""

    error: str
    """Why there was no connection to try it on."""
    closed_after_seconds: Optional[float]
    """None: it was still open after:"""
    waited_seconds: float


def try_connects(family: int, target: Tuple[Any, ...], until: float) -> Connects:
    """A few connects, one after the other, spread; one that times out is not tried a third time."""
    tried, connected, best, failure, no_route = 0, 0, None, "", False
    while tried < _TRIES and time.monotonic() < until:
        tried += 1
        started = time.monotonic()
        error = _connect(family, target, min(CAP, max(0.1, until - started)))
        took = time.monotonic() - started
        if error == 0:
            connected += 1
            best = took if best is None else min(best, took)
        else:
            failure = _words(error)
            no_route = error in NO_ROUTE
            if tried == 2 and not connected and error == errno.ETIMEDOUT:
                break
        if tried < _TRIES:
            time.sleep(max(0.0, _APART - took))
    return Connects(tried, connected, best, failure, no_route)


def _connect(family: int, target: Tuple[Any, ...], seconds: float) -> int:
    """One connect: 0, or the error."""
    one, error = _opened(family, target, seconds)
    if one is not None:
        one.close()
    return error


def _opened(family: int, target: Tuple[Any, ...], seconds: float) -> Tuple[Optional[socket.socket], int]:
    try:
        one = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        return None, error.errno or errno.EIO
    one.setblocking(False)
    try:
        error_number = one.connect_ex(tuple(target))
    except OSError as error:
        error_number = error.errno or errno.EIO
    if error_number == errno.EINPROGRESS:
        watch = select.poll()
        watch.register(one, select.POLLOUT)
        answered = watch.poll(seconds * 1000)
        error_number = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if answered else errno.ETIMEDOUT
    if error_number:
        one.close()
        return None, error_number
    return one, 0


def _words(error: int) -> str:
    return "timed out" if error == errno.ETIMEDOUT else os.strerror(error)


class HalfSenders:
    """Opens one connection to each listener that policy names, and waits for them to be closed, while others work."""

    def __init__(self, machine: Machine, wanted: Mapping[str, Mapping[str, Any]]) -> None:
        self._machine = machine
        self._found: Dict[str, HalfSent] = {}
        self._lock = threading.Lock()
        self._longest = max([float(each["wait_seconds"]) for each in wanted.values()] or [0.0]) + CAP + 1.0
        self._until = time.monotonic() + self._longest
        self._wanted = wanted
        self._threads = [
            threading.Thread(target=self._try, args=(name, each), daemon=True) for name, each in wanted.items()
        ]

    def start(self) -> None:
        """Begin; of a recorded tree there is nobody to ask."""
        for thread in [] if self._machine.recorded else self._threads:
            thread.start()

    def gather(self) -> Dict[str, HalfSent]:
        """Wait until each has closed, or has been waited for long enough."""
        if self._machine.recorded:
            return {name: HalfSent("a recorded tree has no network", None, 0.0) for name in self._wanted}
        for thread in self._threads:
            thread.join(max(0.0, self._until - time.monotonic()))
        late = HalfSent("not done within {:g} s".format(self._longest), None, 0.0)
        with self._lock:
            return {name: self._found.get(name, late) for name in self._wanted}

    def _try(self, name: str, wanted: Mapping[str, Any]) -> None:
        found = half_send(wanted["address"], int(wanted["port"]), wanted["sends"], float(wanted["wait_seconds"]))
        with self._lock:
            self._found[name] = found


def half_send(address: str, port: int, sends: str, wait: float) -> HalfSent:
    """Say `sends`, then nothing, and wait until the other end closes."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    one, error = _opened(family, (address, port), CAP)
    if one is None:
        return HalfSent(_words(error), None, 0.0)
    started = time.monotonic()
    try:
        one.setblocking(True)
        one.settimeout(wait)
        one.sendall(sends.encode("utf-8"))
        while True:
            left = wait - (time.monotonic() - started)
            if left <= 0:
                return HalfSent("", None, time.monotonic() - started)
            one.settimeout(left)
            if not one.recv(65536):
                break
    except socket.timeout:
        return HalfSent("", None, time.monotonic() - started)
    except OSError:
        pass  # reset: closed, if not politely
    finally:
        one.close()
    took = time.monotonic() - started
    return HalfSent("", took, took)
