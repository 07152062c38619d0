"""ssh's own log, read as the rungs of a login: how far it came, how long each rung took, and why it went no further.

In: the lines of `LogLevel DEBUG1`. Out: seconds by rung, and `LinkError`s in our words and ssh's.
"""

from __future__ import annotations

import os
import re
import select
import threading
import time
from collections.abc import Callable, Sequence

from shipworthy.errors import LinkError
from shipworthy.links import Deadlines
from shipworthy.links.text import one_line, seconds_as_text

_STEPS: Sequence[tuple[str, re.Pattern[str]]] = [
    ("resolve", re.compile(r"debug1: (Connecting to |Executing proxy command)")),
    ("connect", re.compile(r"debug1: (Connection established|Local version string)")),
    ("banner", re.compile(r"debug1: Remote protocol version")),
    ("host key", re.compile(r"debug1: SSH2_MSG_SERVICE_ACCEPT received")),
    ("authentication", re.compile(r"Authenticated to ")),
    ("session", re.compile(r"debug1: Sending command")),
]
"""The line that ends each rung."""

_FAILURES: Sequence[tuple[str, re.Pattern[str]]] = [
    ("resolve", re.compile(r"Could not resolve hostname .*")),
    (
        "banner",
        re.compile(r"Connection timed out during banner exchange|kex_exchange_identification: .*|banner exchange: .*"),
    ),
    ("connect", re.compile(r"connect to host .*")),
    ("host key", re.compile(r"No \S+ host key is known for .* and you have requested strict checking.*")),
    ("host key", re.compile(r"Offending \S+ key in .*|\S*.*key .*revoked.*")),
    ("host key", re.compile(r"Host key verification failed.*|Unable to negotiate .*")),
    ("authentication", re.compile(r".*Permission denied \(.*|.*Too many authentication failures.*")),
    ("session", re.compile(r"(exec|shell) request failed on channel .*|channel \d+: open failed: .*")),
]

_CONNECTING = re.compile(r"debug1: Connecting to .* \[([^\]]+)\] port \d+")
_NO_STATUS = "debug1: Exit status -1"
_SIGNALLED = "rtype exit-signal"
_MOST_LINES = 500
_LOOK_SECONDS = 0.05


class LoginLog:
    """What one ssh says, read by a thread until ssh ends."""

    def __init__(self, reading: int, writing: int, over: Callable[[], bool]) -> None:
        """Read the pipe whose end `writing` ssh opens by name; `over` says that ssh has ended."""
        self._changed = threading.Condition()
        self._lines: list[str] = []
        self._ends: list[float] = []
        self._begun = time.monotonic()
        self.closed = False
        self.lost = False
        self._signalled = False
        threading.Thread(target=self._read, args=(reading, writing, over), name="ssh log", daemon=True).start()

    def _read(self, reading: int, writing: int, over: Callable[[], bool]) -> None:
        try:
            # Until ssh has opened the pipe for itself, our own end must stay open.
            while not _readable(reading) and not over():
                pass
        finally:
            os.close(writing)
        with os.fdopen(reading, errors="replace") as said:
            for line in said:
                self._hear(line.rstrip())
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def _hear(self, line: str) -> None:
        with self._changed:
            if len(self._lines) < _MOST_LINES:
                self._lines.append(line)
            self._signalled |= _SIGNALLED in line
            self.lost |= line.startswith(_NO_STATUS) and not self._signalled
            for number in range(len(self._ends), len(_STEPS)):
                if _STEPS[number][1].match(line):
                    # A step that ssh did not tell of (a proxy's connection) ended when the next one did.
                    self._ends += [time.monotonic()] * (number + 1 - len(self._ends))
                    self._changed.notify_all()
                    break

    def wait(self, deadlines: Deadlines, until: float, rungs: dict[str, float]) -> None:
        """Wait until the command was sent; fills `rungs`. Raises `LinkError` with the rung that was not climbed."""
        with self._changed:
            while len(self._ends) < len(_STEPS) and not self.closed:
                since = self._ends[-1] if self._ends else self._begun
                limit = min(until, since + self._seconds(deadlines))
                if time.monotonic() >= limit:
                    self._tell(rungs)
                    waited = seconds_as_text(time.monotonic() - since)
                    raise LinkError(self._rung, f"{_LATE[self._rung]} within {waited}")
                self._changed.wait(limit - time.monotonic())
            self._tell(rungs)
            if len(self._ends) < len(_STEPS):
                raise LinkError(self._rung, "ssh ended")

    @property
    def address(self) -> str | None:
        """The address that ssh connected to itself."""
        tried = [found[1] for line in self._lines if (found := _CONNECTING.match(line))]
        return tried[-1] if tried else None

    @property
    def _rung(self) -> str:
        return _STEPS[min(len(self._ends), len(_STEPS) - 1)][0]

    def _seconds(self, deadlines: Deadlines) -> float:
        match self._rung:
            case "resolve" | "connect":
                # ssh itself keeps ConnectTimeout, in whole seconds; ours only must not come first.
                return max(1.0, deadlines.connect) + 1.0
            case "banner" | "host key":
                return deadlines.banner
            case _:
                return deadlines.authentication

    def _tell(self, rungs: dict[str, float]) -> None:
        before = self._begun
        for (rung, _), end in zip(_STEPS, self._ends, strict=False):
            rungs[rung] = end - before
            before = end
        if len(self._ends) < len(_STEPS):
            rungs[self._rung] = time.monotonic() - before

    def failure(self, error: LinkError, stderr: bytes, *, of_host_key: str) -> LinkError:
        """`error` with the words that ssh found for it, if it found any; `of_host_key` is added to a host key's."""
        if not self.closed:
            return error
        lines = [line.removeprefix("ssh: ") for line in self._lines if not line.startswith("debug1: ")]
        for rung, pattern in _FAILURES:
            for line in lines:
                if found := pattern.match(line):
                    words = one_line(found[0]).replace("Host key verification failed.", "host key is not known")
                    reason = f"{words}{self._more(rung, lines)}"
                    note = f"; {of_host_key}" if of_host_key and rung == "host key" else ""
                    return LinkError(rung, f"{reason}{_aside(stderr)}{note}")
        last = one_line(lines[-1]) if lines else ""
        return LinkError(error.rung, f"{last or 'ssh ended without a word'}{_aside(stderr)}")

    def _more(self, rung: str, lines: Sequence[str]) -> str:
        if rung == "host key":
            offered = next((line for line in self._lines if line.startswith("debug1: Server host key: ")), "")
            return f"; the host has {one_line(offered.partition(': ')[2].partition(': ')[2])}" if offered else ""
        if rung == "banner":
            closed = [line for line in lines if line.startswith("Connection closed by")]
            return f"; {one_line(closed[-1])}" if closed else ""
        return ""


_LATE = {
    "resolve": "no answer from the resolver",
    "connect": "no answer",
    "banner": "connected, but no SSH banner",
    "host key": "the key exchange was not over",
    "authentication": "no answer",
    "session": "logged in, but no answer",
}


def _readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(_LOOK_SECONDS * 1000))


def _aside(stderr: bytes) -> str:
    """What a ProxyJump's or ProxyCommand's own ssh said."""
    said = one_line(stderr)
    return f" (bastion: {said})" if said else ""
