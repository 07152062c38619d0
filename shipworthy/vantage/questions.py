"""All questions of one survey: put by many threads, each once, never more than was agreed, and not to who is silent.

In: who is asked what, at any time. Out: `Question`s, which become `Asked`.
"""

from __future__ import annotations

import base64
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Lock
from typing import NamedTuple

from shipworthy import dns_messages
from shipworthy.vantage import wire
from shipworthy.vantage.authority import Asked

AT_ONCE = 100
MOST = 4000
"""Questions of one survey."""
PATIENCE = 3
"""Questions to an address over one transport after which one that answered none of them is asked no more."""


class Question(NamedTuple):
    """A question that was put, and what will have come of it: a truncated answer is followed by TCP's."""

    unasked: Asked
    future: Future[list[Asked]]

    def told(self) -> list[Asked]:
        """What came of it until now."""
        if self.future.done():
            return self.future.result()
        return [self.unasked._replace(error="no answer when the time was up")]

    @property
    def answered(self) -> bool:
        return self.future.done() and any(asked.message for asked in self.future.result())


class Questions:
    """Those of one survey, which ends at the monotonic time `until`; each waits for `patience` seconds."""

    def __init__(self, patience: float, until: float, given_up: Event) -> None:
        self.until = until
        self._given_up = given_up
        self._patience = patience
        self._pool = ThreadPoolExecutor(AT_ONCE, "dns from here")
        self._stirred = Event()
        self._lock = Lock()  # over what follows, which many threads fill
        self._put: dict[tuple[str, str, str, str], Question] = {}
        self._silent: Counter[tuple[str, str]] = Counter()
        self._speaking: set[tuple[str, str]] = set()

    def put(self, server: str, address: str, name: str, type: str, transport: str = "udp") -> Question:
        """Ask, unless that was asked before."""
        key = (address, transport, name, type)
        with self._lock:
            if key not in self._put:
                self._put[key] = self._question(Asked(server, *key, 0.0, "", ""), full=len(self._put) >= MOST)
            return self._put[key]

    def again(self, unasked: Asked) -> Question:
        """The same question once more."""
        return self._question(unasked, full=False)

    def wait(self, groups: Iterable[Sequence[Question]], until: float, grace: float = 0.0) -> None:
        """Until each group has an answer, or will have none, and `grace` for the others; never after `until`."""
        groups = list(groups)
        until = min(until, self.until)
        if self._wait_for(groups, lambda group: any(question.answered for question in group), until):
            self._wait_for(groups, lambda _: False, min(until, time.monotonic() + grace))

    def close(self) -> None:
        """Whoever still waits for an answer is left behind; each has its own, shorter, deadline."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _wait_for(
        self, groups: list[Sequence[Question]], enough: Callable[[Sequence[Question]], bool], until: float
    ) -> bool:
        while True:
            self._stirred.clear()  # before looking: what comes from here on is not overlooked
            groups = [g for g in groups if not enough(g) and not all(question.future.done() for question in g)]
            left = until - time.monotonic()
            if not groups or left <= 0:
                return not groups
            self._stirred.wait(left)

    def _question(self, unasked: Asked, *, full: bool) -> Question:
        if full:
            future: Future[list[Asked]] = Future()
            future.set_result([unasked._replace(error=f"not asked: more than {MOST} questions")])
        else:
            future = self._pool.submit(self._ask, unasked)
            future.add_done_callback(lambda _: self._stirred.set())
        return Question(unasked, future)

    def _ask(self, unasked: Asked) -> list[Asked]:
        key = (unasked.address, unasked.transport)
        left = self.until - time.monotonic()
        with self._lock:
            is_silent = key not in self._speaking and self._silent[key] >= PATIENCE
        if is_silent:
            return [unasked._replace(error=f"no answer to {PATIENCE} questions")]
        if left <= 0 or self._given_up.is_set():
            return [unasked._replace(error="not asked: the time was up")]
        question = dns_messages.query(unasked.name, unasked.type, dnssec=True, recursion=False)
        heard = wire.ask(unasked.address, unasked.transport, question, min(self._patience, left))
        with self._lock:
            if heard.message:
                self._speaking.add(key)
            elif heard.error != wire.NO_ROUTE:  # which costs no time, and is no silence
                self._silent[key] += 1
        message = base64.b64encode(heard.message).decode("ascii")
        asked = unasked._replace(seconds=round(heard.seconds, 6), message=message, error=heard.error)
        if unasked.transport == "udp" and wire.is_truncated(heard.message):
            return [asked, *self._ask(unasked._replace(transport="tcp"))]
        return [asked]
