"""What every link's conversation and every link's `run` have in common, written once.

A kind of conversation gives three small things that never block but one: send some, receive some, wait; and a way to
end the waiting from another thread.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Protocol

from shipworthy.errors import LinkError
from shipworthy.links import Completed, Conversation
from shipworthy.links.text import seconds_as_text

WRITE_SECONDS = 15.0
_PIECE_BYTES = 2**18
_PENDING_BYTES = 2**22
"""Output that is kept while we write; beyond it the host has to wait with its output until we are through."""


class Streams(ABC):
    """A `Conversation` on three primitives."""

    def __init__(self) -> None:
        self._pending = (bytearray(), bytearray())
        self._called = threading.Event()

    @abstractmethod
    def _send(self, data: memoryview) -> int:
        """Send some of `data` without waiting; 0 if it cannot be now. Raises OSError if it never can."""

    @abstractmethod
    def _receive(self) -> tuple[bytes, bytes]:
        """What is there, without waiting."""

    @abstractmethod
    def _wait(self, until: float, *, to_send: bool) -> None:
        """Wait until `_receive`, `_ended` or (if asked) `_send` may have changed; may wake early."""

    @abstractmethod
    def _rouse(self) -> None:
        """From another thread, at any time: end `_wait`, or the next one. Never blocks."""

    @abstractmethod
    def _ended(self) -> bool:
        """Nothing more will come, and the exit status is known, or never will be."""

    @property
    @abstractmethod
    def exit_status(self) -> int | None: ...

    @abstractmethod
    def close_input(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    @property
    def finished(self) -> bool:
        return not any(self._pending) and self._ended()

    def read(self, until: float) -> tuple[bytes, bytes]:
        while True:
            self._drain()
            if any(self._pending):
                out, err = (bytes(pending) for pending in self._pending)
                for pending in self._pending:
                    pending.clear()
                return out, err
            if self._called.is_set() or self._ended() or time.monotonic() >= until:
                self._called.clear()
                return b"", b""
            self._wait(until, to_send=False)

    def wake(self) -> None:
        self._called.set()
        self._rouse()

    def write(self, data: bytes, until: float | None = None) -> None:
        begun = time.monotonic()
        until = begun + WRITE_SECONDS if until is None else until
        rest = memoryview(data)
        while rest:
            try:
                sent = self._send(rest)
            except OSError:
                return
            rest = rest[sent:]
            if sent:
                continue
            self._drain()
            if self._ended():
                return
            if time.monotonic() >= until:
                waited = seconds_as_text(until - begun)
                raise LinkError("command", f"the command did not read its standard input for {waited}")
            self._wait(until, to_send=True)

    def _drain(self) -> None:
        if sum(map(len, self._pending)) < _PENDING_BYTES:
            for pending, data in zip(self._pending, self._receive(), strict=True):
                pending += data


class Converses(Protocol):
    """All that `run` needs of a link."""

    def converse(self, command: str) -> AbstractContextManager[Conversation]: ...


def run(link: Converses, command: str, *, input: bytes, seconds: float, at_most: int) -> Completed:
    """Run `command` on `link` to its end: what `Link.run` promises."""
    until = time.monotonic() + seconds
    kept = (bytearray(), bytearray())

    def keep(out: bytes, err: bytes) -> None:
        for stream, data in zip(kept, (out, err), strict=True):
            stream += data[: at_most - len(stream)]

    with link.converse(command) as talk:
        # In pieces: a command that answers while it reads must not have to wait for us.
        for start in range(0, len(input), _PIECE_BYTES):
            talk.write(input[start : start + _PIECE_BYTES], until)
            keep(*talk.read(0.0))
        talk.close_input()
        while not talk.finished:
            if time.monotonic() >= until:
                raise LinkError("command", f"not over after {seconds_as_text(seconds)}")
            keep(*talk.read(until))
        return Completed(talk.exit_status, bytes(kept[0]), bytes(kept[1]))
