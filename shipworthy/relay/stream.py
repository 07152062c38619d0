"""A connection that a host has made, over its relay: what a conversation needs of a socket.

In: the relay, which says what is to be said, and what it hears. Out: bytes, and the errors that a socket here would
raise: TimeoutError, ConnectionRefusedError, …
"""

from __future__ import annotations

import errno
import os
import re
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from shipworthy.probes.runtime import frames
from shipworthy.probes.runtime.frames import Frame, packed

_ERRNO = re.compile(rb"E[A-Z0-9]{2,20}")


class Says(Protocol):
    """All that a stream needs of its relay."""

    until: float

    def say(self, frame: bytes) -> None: ...
    def forget(self, number: int) -> None: ...


class Relayed:
    """One of them. Of two threads, one may send and one receive."""

    def __init__(self, relay: Says, number: int) -> None:
        self._relay = relay
        self._number = number
        self._seconds: float | None = None
        self._changed = threading.Condition()  # over what follows
        self._connected = False
        self._data = bytearray()
        self._at_end = False
        self._failed: tuple[int, str] | None = None
        self._on_their_way = 0
        """Bytes sent of which the host has not said that they went on,"""
        self._untold = 0
        """and received, of which it was not told that they were taken."""

    def __enter__(self) -> Relayed:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def settimeout(self, seconds: float | None, /) -> None:
        """None: until the relay's own time is up."""
        self._seconds = seconds

    def sendall(self, data: bytes, /) -> None:
        until = self._deadline()
        rest = memoryview(data)
        while rest:
            with self._changed:
                self._wait_for(lambda: self._on_their_way < frames.WINDOW, until)
                self._raise_if_failed()
                room = min(frames.PIECE, frames.WINDOW - self._on_their_way)
                piece, rest = bytes(rest[:room]), rest[room:]
                self._on_their_way += len(piece)
            self._relay.say(packed(frames.DATA, self._number, piece))

    def recv(self, size: int, /) -> bytes:
        with self._changed:
            self._wait_for(lambda: self._data or self._at_end, self._deadline())
            data = bytes(self._data[:size])
            del self._data[:size]
            if not data:
                self._raise_if_failed()
            self._untold += len(data)
            told = self._untold if self._untold >= frames.WINDOW // 2 else 0
            self._untold -= told
        if told:
            self._relay.say(frames.packed_taken(self._number, told))
        return data

    def close(self) -> None:
        """Let it go; what was sent is still sent."""
        self._relay.forget(self._number)

    def wait(self, until: float) -> None:
        """Until it is connected. Raises TimeoutError, OSError."""
        with self._changed:
            self._wait_for(lambda: self._connected, until)
            self._raise_if_failed()

    def hear(self, frame: Frame) -> None:
        """What the host says of it. Raises ValueError for what it cannot say now."""
        with self._changed:
            is_out_of_turn = self._connected == (frame.kind == frames.CONNECT) and frame.kind != frames.END
            if self._failed or is_out_of_turn:
                raise ValueError(f"a frame {frame.kind!r} out of turn")
            if frame.kind == frames.CONNECT:
                self._connected = True
            elif frame.kind == frames.DATA:
                self._hear_data(frame.data)
            elif frame.kind == frames.TAKEN:
                self._hear_taken(frames.taken(frame))
            elif frame.kind == frames.END:
                self._hear_end(frame.data)
            else:
                raise ValueError(f"a frame {frame.kind!r} for a connection")
            self._changed.notify_all()

    def break_off(self, why: str) -> None:
        """The relay has ended."""
        with self._changed:
            self._failed = self._failed or (errno.ECONNABORTED, why)
            self._changed.notify_all()

    def _hear_data(self, data: bytes) -> None:
        if self._at_end or len(self._data) + self._untold + len(data) > frames.WINDOW:
            raise ValueError("more data than it may send")
        self._data += data

    def _hear_taken(self, count: int) -> None:
        if not 0 < count <= self._on_their_way:
            raise ValueError(f"{count} bytes went on, of {self._on_their_way}")
        self._on_their_way -= count

    def _hear_end(self, why: bytes) -> None:
        if why:
            self._failed = _error(why)
        elif self._at_end or not self._connected:
            raise ValueError("an end before the beginning, or a second one")
        self._at_end = True

    def _deadline(self) -> float:
        return self._relay.until if self._seconds is None else min(time.monotonic() + self._seconds, self._relay.until)

    def _wait_for(self, fact: Callable[[], object], until: float) -> None:
        """Raises TimeoutError; a failure is a fact too."""
        while not (self._failed or fact()):
            if not self._changed.wait(max(0.0, until - time.monotonic())) and time.monotonic() >= until:
                raise TimeoutError

    def _raise_if_failed(self) -> None:
        if self._failed:
            raise OSError(*self._failed)


def _error(name: bytes) -> tuple[int, str]:
    """An error by its name, which is the same on every machine, as its number and words are not."""
    if not _ERRNO.fullmatch(name):
        raise ValueError(f"{name[:20]!r} is no error")
    code = getattr(errno, name.decode("ascii"), None)
    return (code, os.strerror(code)) if isinstance(code, int) else (errno.EIO, name.decode("ascii"))
