"""SIGINT, SIGTERM, SIGUSR1: acted on where they do no harm, and kept until then where they would.

In: signals, at any moment of a session. Out: `Interrupted`, once; an answer to SIGUSR1. Waiting for hosts, reading
inventories, and the code of a test can be broken off anywhere; a result that is being written down cannot. Once a run
is interrupted, nothing more interrupts the writing of its report.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

_ENDING = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """By which signal. pytest ends a session on it with exit status 2."""


Interrupted.__module__ = "builtins"  # pytest prints it as `Interrupted: by SIGTERM`


class Signals:
    """The signals of one session."""

    def __init__(self) -> None:
        self.answer: Callable[[], None] = lambda: None
        """Tells who is pending."""
        self._heed = True
        self._asked = False
        self._ending: int | None = None
        self._interrupted = False

    def install(self, config: pytest.Config) -> None:
        """From now until pytest has done all that it does. Only a process's first thread may."""
        if threading.current_thread() is not threading.main_thread():
            return
        before = {number: signal.signal(number, self._receive) for number in (*_ENDING, signal.SIGUSR1)}

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        config.add_cleanup(restore)

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """What happens inside may be broken off at any point; a signal that is waiting is acted on first."""
        before, self._heed = self._heed, True
        try:
            self._act()
            yield
        finally:
            self._heed = before

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """What happens inside is done whole, but for what is `heeded` in it."""
        before, self._heed = self._heed, False
        try:
            yield
        finally:
            self._heed = before

    def ignore(self) -> None:
        """From now on there is nothing left to interrupt."""
        self._interrupted = True

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGUSR1:
            self._asked = True
        else:
            self._ending = number
        if self._heed:
            self._act()

    def _act(self) -> None:
        if self._asked:
            self._asked = False
            self.answer()
        if self._ending is not None and not self._interrupted:
            self._interrupted = True
            raise Interrupted(f"by {signal.Signals(self._ending).name}")


SIGNALS = pytest.StashKey[Signals]()
