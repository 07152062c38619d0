"""This machine: the same commands by subprocess. Also the conversation of every link that is a local process.

In: a command line for /bin/sh. Out: a `Link`. Each command has its own session, and is killed as one.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence

from shipworthy.errors import LinkError
from shipworthy.inventory import Host
from shipworthy.links import Completed, Conversation, Deadlines, Link
from shipworthy.links.conversation import Streams, run
from shipworthy.links.opened import Era, current

_CHUNK = 2**16
_LOOK = 0.02
"""Seconds between two looks at whether a process has ended that has closed its streams."""


class _Bell:
    """A pipe that `poll` can wait on, rung by another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # so that nobody rings at a number that is another file's by now
        self._ends: tuple[int, int] | None = os.pipe()
        for descriptor in self._ends:
            os.set_blocking(descriptor, False)

    def ring(self) -> None:
        with self._lock, contextlib.suppress(BlockingIOError):
            if self._ends:
                os.write(self._ends[1], b"!")

    def register(self, poll: select.poll) -> None:
        if self._ends:
            poll.register(self._ends[0], select.POLLIN)

    def hush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            if self._ends:
                os.read(self._ends[0], _CHUNK)

    def close(self) -> None:
        with self._lock:
            for descriptor in self._ends or ():
                os.close(descriptor)
            self._ends = None


class Process(Streams):
    """A conversation with a local process through three pipes."""

    def __init__(self, arguments: Sequence[str]) -> None:
        """Start it; raises OSError."""
        super().__init__()
        self._bell = _Bell()
        try:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except OSError:
            self._bell.close()
            raise
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._input: int | None = self._process.stdin.fileno()
        self._outputs: list[int | None] = [self._process.stdout.fileno(), self._process.stderr.fileno()]
        for descriptor in (self._input, *self._outputs):
            assert descriptor is not None
            os.set_blocking(descriptor, False)

    def _send(self, data: memoryview) -> int:
        if self._input is None:
            raise BrokenPipeError
        try:
            return os.write(self._input, data)
        except BlockingIOError:
            return 0

    def _receive(self) -> tuple[bytes, bytes]:
        return self._take(0), self._take(1)

    def _take(self, number: int) -> bytes:
        descriptor = self._outputs[number]
        if descriptor is None:
            return b""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._outputs[number] = None
        return data

    def _wait(self, until: float, *, to_send: bool) -> None:
        seconds = max(0.0, until - time.monotonic())
        poll = select.poll()  # not select(): it knows no descriptor over 1023
        self._bell.register(poll)
        for descriptor in self._outputs:
            if descriptor is not None:
                poll.register(descriptor, select.POLLIN)
        if to_send and self._input is not None:
            poll.register(self._input, select.POLLOUT)
        if self._outputs == [None, None]:
            seconds = min(seconds, _LOOK)  # its streams are closed: only its end is left to wait for
        poll.poll(seconds * 1000 + 1)
        self._bell.hush()

    def _rouse(self) -> None:
        self._bell.ring()

    def _ended(self) -> bool:
        return self._outputs == [None, None] and self._process.poll() is not None

    @property
    def exit_status(self) -> int | None:
        return self._process.poll()

    def close_input(self) -> None:
        self._input = None
        if self._process.stdin:
            self._process.stdin.close()

    def kill(self) -> None:
        """End the whole session; callable from another thread. What sudo started ends by its closed input."""
        if self._process.returncode is not None:
            return  # its number may be another's by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        if self._process.poll() is None:
            self.kill()
        self.close_input()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._outputs = [None, None]
        self._bell.close()
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()


class ProcessLink:
    """A link whose every command is a process here, as `arguments` says."""

    def __init__(self, rungs: dict[str, float], era: Era) -> None:
        self.rungs = rungs
        self.notices: tuple[str, ...] = ()
        self.address: str | None = None
        self._era = era

    def arguments(self, command: str) -> Sequence[str]:
        return ("/bin/sh", "-c", command)

    @contextlib.contextmanager
    def converse(self, command: str) -> Iterator[Conversation]:
        begun = time.monotonic()
        arguments = self.arguments(command)
        try:
            talk = Process(arguments)
        except OSError as error:
            raise LinkError("session", f"{arguments[0]} cannot be started: {error.strerror}") from None
        self.rungs.setdefault("session", time.monotonic() - begun)
        try:
            with self._era.closing("command", talk.kill):
                yield talk
        finally:
            talk.close()

    def run(self, command: str, *, input: bytes = b"", seconds: float, at_most: int = 2**21) -> Completed:
        return run(self, command, input=input, seconds=seconds, at_most=at_most)


@contextlib.contextmanager
def open_local(host: Host, deadlines: Deadlines, rungs: dict[str, float]) -> Iterator[Link]:  # noqa: ARG001 every opener is called alike
    """Open the link to this machine."""
    yield ProcessLink(rungs, current())
