"""Exchanges of time: while probes work, the caller's questions are answered at once with what the clock here says.

In: what comes on standard input after the request: numbers, one a line. Out: `at NUMBER SECONDS` on standard output, a
line for each, all of them before the document. No more are answered than were agreed, so they fit into any pipe.
"""

import os
import re
import threading
import time

_NUMBER = re.compile(rb"[0-9]{1,3}")
_LONGEST = 8  # bytes of a line that may still become a number


class Exchanges:
    """Answers at most `most` questions on the descriptor `out`; with none agreed it does nothing at all."""

    def __init__(self, out: int, most: int) -> None:
        self._out = out
        self._left = most
        self._rest = b""
        self._lock = threading.Lock()  # over `out`: a line is never within another, nor within the document
        self._over = threading.Event()

    def begin(self) -> None:
        """Say that questions are heard from now on: until here they would have been read along with the request."""
        with self._lock:
            if self._left:
                self._say(0)

    def hear(self, data: bytes) -> None:
        """Answer the questions in `data`, which came on standard input."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()[-_LONGEST:]
        for line in lines:
            if _NUMBER.fullmatch(line):
                self._answer(int(line))

    def end(self, until: float) -> None:
        """Wait for questions that are still to come, at most until the monotonic time `until`, and then answer none."""
        with self._lock:
            asked = self._left > 0
        if asked:
            self._over.wait(max(0.0, until - time.monotonic()))
        with self._lock:
            self._left = 0

    def _answer(self, number: int) -> None:
        with self._lock:
            if self._left:
                self._say(number)
                self._left -= 1
                if not self._left:
                    self._over.set()

    def _say(self, number: int) -> None:
        os.write(self._out, b"at %d %.6f\n" % (number, time.time()))
