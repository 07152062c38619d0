"""The relay: this host's place in the network, lent to the caller: names resolved, connections made, trust stores read.

In: a request (JSON: `deadline`, in seconds), then frames, on standard input. Out: frames on standard output; what they
mean stands in `frames.py`. It ends with standard input, as probes do, and at its deadline.
One thread listens to the caller and one writes to it; the third has all connections, and none of them blocks it. Names
and trust stores are asked for in further threads: neither the C library nor a dead file system can be interrupted.
"""

import errno
import json
import os
import select
import socket
import threading
import time
from base64 import b64decode
from collections import deque
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from queue import Queue
from typing import Any, Callable, Deque, Dict, List, Tuple

from shipworthy.probes.parts.trust_store import Store, read_store
from shipworthy.probes.runtime import frames, switch
from shipworthy.probes.runtime.encode import encode
from shipworthy.probes.runtime.frames import Frame, Frames, Resolution, packed
from shipworthy.probes.runtime.request import read_request

NICENESS = 10
WORKERS = 32
MOST_UNWRITTEN = 2**18
"""Bytes that wait for the caller to take them, beyond which no connection is read."""

METADATA = ("100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254")
"""Where clouds tell machines their secrets, beside link-local addresses: Alibaba, Azure, AWS, Google."""
_FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
_ERRORS = {getattr(socket, name): name for name in dir(socket) if name.startswith("EAI_")}


def serve() -> None:
    """What the loader starts: lend what is asked for until nobody wants it any more."""
    started = time.monotonic()
    out = os.dup(1)
    os.dup2(2, 1)  # whatever else might print here must not get among the frames
    request = read_request()
    relay = Relay(out)
    switch.arm(out, relay.hear)
    relay.begin()
    with suppress(OSError):  # where a sandbox forbids it we run as we are
        os.nice(NICENESS)
    relay.work(started + float(request["deadline"]))
    switch.end(0)


class Relay:
    """All that is lent over one descriptor."""

    def __init__(self, out: int) -> None:
        self._bell = _Bell()
        self._out = _Out(out, self._bell.ring)
        self._frames = Frames()
        self._heard: Deque[Frame] = deque()
        self._jobs: "Queue[Callable[[], bytes]]" = Queue()
        self._workers = 0
        self._connections: Dict[int, _Connection] = {}

    def begin(self) -> None:
        """Say that frames are heard from now on: until here they would have been read along with the request."""
        self._out.put(packed(frames.READY, 0))

    def hear(self, data: bytes) -> None:
        """What came on standard input, in the thread that listens there."""
        try:
            self._heard.extend(self._frames.feed(data))
        except ValueError:
            switch.end(switch.GONE)
        self._bell.ring()

    def work(self, until: float) -> None:
        """Until the monotonic time `until`."""
        while time.monotonic() < until:
            watch = select.poll()
            watch.register(self._bell.descriptor, select.POLLIN)
            busy = self._out.unwritten > MOST_UNWRITTEN
            by_descriptor = {}
            for one in self._connections.values():
                events = one.events(busy)
                if events:
                    watch.register(one.stream.fileno(), events)
                    by_descriptor[one.stream.fileno()] = one
            for descriptor, _ in watch.poll(max(0.0, until - time.monotonic()) * 1000 + 1):
                if descriptor == self._bell.descriptor:
                    self._bell.hush()
                else:
                    self._attend(by_descriptor[descriptor])
            while self._heard:
                self._take(self._heard.popleft())

    def _take(self, frame: Frame) -> None:
        kind, number, data = frame
        if kind == frames.RESOLVE:
            family, _, name = data.decode("utf-8").partition(" ")
            self._later(lambda: packed(frames.RESOLVE, number, _json(_resolved(family, name))))
        elif kind == frames.STORE:
            self._later(lambda: packed(frames.STORE, number, _json(_held(data))))
        elif kind == frames.CONNECT:
            address, _, port = data.decode("utf-8").partition(" ")
            self._connect(number, address, int(port))
        elif number in self._connections:
            self._go_on(self._connections[number], frame)

    def _later(self, job: Callable[[], bytes]) -> None:
        self._jobs.put(job)
        if self._workers < WORKERS:
            self._workers += 1
            threading.Thread(target=self._work_off, daemon=True).start()

    def _work_off(self) -> None:
        while True:
            self._out.put(self._jobs.get()())

    def _connect(self, number: int, address: str, port: int) -> None:
        if len(self._connections) >= frames.CONNECTIONS:
            self._end(number, errno.EMFILE)
            return
        try:
            family, place = _place(address, port)
            stream = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            self._end(number, error.errno)
            return
        stream.setblocking(False)
        failed = stream.connect_ex(place)
        if failed in (0, errno.EINPROGRESS):
            self._connections[number] = _Connection(number, stream)
        else:
            stream.close()
            self._end(number, failed)

    def _go_on(self, one: "_Connection", frame: Frame) -> None:
        """What the caller says to a connection."""
        if frame.kind == frames.DATA:
            one.to_send += frame.data
        elif frame.kind == frames.TAKEN:
            one.on_their_way -= frames.taken(frame)
        else:
            self._close(one)

    def _attend(self, one: "_Connection") -> None:
        """A connection for which something may have changed."""
        if one.connecting:
            failed = one.stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failed:
                self._close(one)
                self._end(one.number, failed)
            else:
                one.connecting = False
                self._out.put(packed(frames.CONNECT, one.number))
            return
        try:
            self._send(one)
            self._receive(one)
        except OSError as error:
            self._close(one)
            self._end(one.number, error.errno)

    def _send(self, one: "_Connection") -> None:
        if one.to_send:
            with suppress(BlockingIOError):
                sent = one.stream.send(one.to_send)
                del one.to_send[:sent]
                self._out.put(frames.packed_taken(one.number, sent))

    def _receive(self, one: "_Connection") -> None:
        room = min(frames.PIECE, frames.WINDOW - one.on_their_way)
        if one.at_end or room <= 0:
            return
        with suppress(BlockingIOError):
            data = one.stream.recv(room)
            if data:
                one.on_their_way += len(data)
                self._out.put(packed(frames.DATA, one.number, data))
            else:
                one.at_end = True
                self._out.put(packed(frames.END, one.number))

    def _close(self, one: "_Connection") -> None:
        one.stream.close()
        del self._connections[one.number]

    def _end(self, number: int, why: Any) -> None:
        self._out.put(packed(frames.END, number, errno.errorcode.get(why, "EIO").encode("ascii")))


class _Connection:
    """One of those that are lent."""

    def __init__(self, number: int, stream: socket.socket) -> None:
        self.number = number
        self.stream = stream
        self.connecting = True
        self.at_end = False
        """The other side has said all that it says."""
        self.to_send = bytearray()
        self.on_their_way = 0
        """Bytes to the caller of which it has not said that it took them."""

    def events(self, busy: bool) -> int:
        """What is waited for; where that is nothing, its end is not waited for either."""
        if self.connecting:
            return select.POLLOUT
        reads = not (busy or self.at_end) and self.on_their_way < frames.WINDOW
        return (select.POLLIN if reads else 0) | (select.POLLOUT if self.to_send else 0)


class _Bell:
    """Wakes the thread that has the connections."""

    def __init__(self) -> None:
        self.descriptor, self._rung = os.pipe()
        os.set_blocking(self.descriptor, False)
        os.set_blocking(self._rung, False)

    def ring(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._rung, b"!")

    def hush(self) -> None:
        with suppress(BlockingIOError):
            os.read(self.descriptor, 65536)


class _Out:
    """Frames on their way to the caller, written in a thread: standard output may be one with standard input, of which
    nobody can say that only one of them does not block."""

    def __init__(self, descriptor: int, written: Callable[[], None]) -> None:
        self.unwritten = 0
        self._descriptor = descriptor
        self._written = written
        self._waiting: List[bytes] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._write, daemon=True).start()

    def put(self, frame: bytes) -> None:
        with self._changed:
            self._waiting.append(frame)
            self.unwritten += len(frame)
            self._changed.notify()

    def _write(self) -> None:
        with suppress(OSError):
            while True:
                with self._changed:
                    while not self._waiting:
                        self._changed.wait()
                    data, self._waiting = b"".join(self._waiting), []
                size = len(data)
                while data:
                    data = data[os.write(self._descriptor, data) :]
                with self._changed:
                    self.unwritten -= size
                self._written()
        switch.end(switch.GONE)


def _place(address: str, port: int) -> Tuple[socket.AddressFamily, Any]:
    """What sockets take for an address. Raises OSError; for those too that are no server's: nobody sends us there."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        raise OSError(errno.EAFNOSUPPORT, "no address") from None
    plain = (isinstance(found, IPv6Address) and found.ipv4_mapped) or found
    if plain.is_link_local or plain.is_multicast or plain.is_unspecified or str(plain) in METADATA:
        raise OSError(errno.EPERM, "not met")
    try:
        told = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        raise OSError(errno.EAFNOSUPPORT, "no address here") from None
    return told[0][0], told[0][4]


def _resolved(family: str, name: str) -> Resolution:
    begun = time.monotonic()
    addresses: List[str] = []
    error = words = ""
    try:
        # As bytes: what they are called is not translated once more.
        found = socket.getaddrinfo(name.encode("utf-8"), None, _FAMILIES[family], socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(place[0]) for _, _, _, _, place in found))[: frames.ADDRESSES]
    except socket.gaierror as failed:
        error, words = _ERRORS.get(failed.errno, ""), str(failed.strerror)
    except (OSError, ValueError) as failed:  # what no host is called, or a machine without descriptors
        words = "cannot be resolved: {}".format(failed)
    return Resolution(addresses, error, words, round(time.monotonic() - begun, 6))


def _held(data: bytes) -> Store:
    wanted = json.loads(data.decode("utf-8"))
    return read_store(wanted["path"], [b64decode(issuer) for issuer in wanted["issuers"]])


def _json(value: Any) -> bytes:
    return json.dumps(encode(value)).encode("ascii")
