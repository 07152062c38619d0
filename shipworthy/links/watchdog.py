"""A deadline for calls that have none of their own: at the time, what they wait on is closed under them.

One daemon thread serves the whole process; it is started by the first guard.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(order=True)
class Guard:
    """One watched call. `fired` says that its time came."""

    until: float
    number: int
    close: Callable[[], object] = field(compare=False, repr=False)
    fired: bool = field(default=False, compare=False)
    over: bool = field(default=False, compare=False)


_changed = threading.Condition()
_guards: list[Guard] = []
_numbers = itertools.count()
_thread: threading.Thread | None = None


@contextlib.contextmanager
def guard(until: float, close: Callable[[], object]) -> Iterator[Guard]:
    """Call `close` from another thread if the body still runs at the monotonic time `until`."""
    watched = Guard(until, next(_numbers), close)
    with _changed:
        _start()
        heapq.heappush(_guards, watched)
        if _guards[0] is watched:
            _changed.notify()
    try:
        yield watched
    finally:
        watched.over = True


def _start() -> None:
    global _thread
    if _thread is None or not _thread.is_alive():
        _thread = threading.Thread(target=_watch, name="shipworthy-watchdog", daemon=True)
        _thread.start()


def _watch() -> None:
    while True:
        for watched in _due():
            if not watched.over:
                watched.fired = True
                # Whatever closing says, the thread must live on for the others.
                with contextlib.suppress(Exception):
                    watched.close()


def _due() -> list[Guard]:
    """Wait for the next guards whose time has come; those that are over are let go without one."""
    with _changed:
        while _guards and _guards[0].over:
            heapq.heappop(_guards)
        seconds = _guards[0].until - time.monotonic() if _guards else None
        if seconds is None or seconds > 0:
            _changed.wait(seconds)
        due = []
        while _guards and (_guards[0].over or _guards[0].until <= time.monotonic()):
            due.append(heapq.heappop(_guards))
        return due


def _begin_anew() -> None:
    """A forked child has no thread of its parent's, and none of its guards."""
    global _changed, _guards, _thread
    _changed, _guards, _thread = threading.Condition(), [], None


os.register_at_fork(after_in_child=_begin_anew)
