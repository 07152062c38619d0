"""All that is open in this process, so that it can be closed at once from another thread.

An `Era` is the time between two calls of `close_all`. Whoever opens something, or waits for something, says how that
is ended; when the era is over, everything is, and nothing more can be opened in it. A thread that works for somebody
stays `within` the era in which its work was given out: begun too late, it opens nothing.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator

from shipworthy.errors import LinkError

Close = Callable[[], object]


class Era:
    """What was opened since the last `close_all`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closers: dict[object, Close] = {}
        self.over = False

    def check(self, rung: str) -> None:
        """Raise `LinkError` when this era is over."""
        if self.over:
            raise LinkError(rung, "interrupted")

    def add(self, rung: str, close: Close) -> object:
        """Have `close` called when the era ends; returns the key for `discard`. Raises `LinkError` if it has ended."""
        key = object()
        with self._lock:
            self.check(rung)
            self._closers[key] = close
        return key

    def discard(self, key: object) -> None:
        with self._lock:
            self._closers.pop(key, None)

    @contextlib.contextmanager
    def closing(self, rung: str, close: Close) -> Iterator[None]:
        """While the body runs, `close` is how to end it from outside."""
        key = self.add(rung, close)
        try:
            yield
        finally:
            self.discard(key)

    def end(self) -> None:
        with self._lock:
            self.over = True
            closers = list(self._closers.values())
            self._closers.clear()
        for close in reversed(closers):
            # What is closed twice, or was gone already, is closed.
            with contextlib.suppress(OSError, EOFError):
                close()


_lock = threading.Lock()
_current = Era()
_threads = threading.local()


def current() -> Era:
    """The era that whatever this thread opens now belongs to."""
    era: Era = getattr(_threads, "era", _current)
    return era


@contextlib.contextmanager
def within(era: Era) -> Iterator[None]:
    """Inside, whatever this thread opens belongs to `era`, also when that is over."""
    _threads.era = era
    try:
        yield
    finally:
        del _threads.era


def close_all() -> None:
    """End the current era and begin the next."""
    global _current
    with _lock:
        era, _current = _current, Era()
    era.end()


def _begin_anew() -> None:
    """What the parent has open is not a forked child's to close, and its locks may be held by threads left behind."""
    global _current, _lock, _threads
    _lock, _current, _threads = threading.Lock(), Era(), threading.local()


os.register_at_fork(after_in_child=_begin_anew)
