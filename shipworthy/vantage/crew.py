"""Work that waits for others, in threads that nobody has to wait for.

In: functions, each with a bound of its own on its time. Out: what they gave, for as long as somebody wants it. Threads
are daemons: who gives up goes on at once, and the program may end, while a conversation still runs into its own bound.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")
_LOOK = 0.05
"""Seconds between two looks at whether it was given up."""


class Crew:
    """At most so many threads, begun as they are needed."""

    def __init__(self, most: int, name: str, until: float, given_up: Event) -> None:
        self._most = most
        self._name = name
        self._until = until
        self._given_up = given_up
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[Thread] = []

    def put(self, work: Callable[[], T]) -> Future[T]:
        """Have it done, when its turn comes."""
        future: Future[T] = Future()
        self._waiting.put(lambda: _done(work, future))
        if len(self._threads) < self._most:
            self._threads.append(Thread(target=self._work, name=self._name, daemon=True))
            self._threads[-1].start()
        return future

    def result(self, future: Future[T], otherwise: T) -> T:
        """What came of it; `otherwise` where that is not there by the crew's monotonic time, or it was given up."""
        while not future.done():
            left = self._until - time.monotonic()
            if left <= 0 or self._given_up.is_set():
                return otherwise
            with suppress(TimeoutError):
                return future.result(min(_LOOK, left))
        return future.result()

    def close(self) -> None:
        """What has not begun does not begin any more."""
        with suppress(Empty):
            while True:
                self._waiting.get_nowait()
        for _ in self._threads:
            self._waiting.put(None)

    def _work(self) -> None:
        while (work := self._waiting.get()) is not None:
            work()


def _done(work: Callable[[], T], future: Future[T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 -- told to whoever asks for the result
        future.set_exception(error)
