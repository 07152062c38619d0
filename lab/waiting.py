"""Waiting for facts: the lab never sleeps for a length of time and hopes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from lab.errors import LabError

Fact = TypeVar("Fact")


def wait_until(fact: Callable[[], Fact], *, within: float, what: str) -> Fact:
    """The first true value of `fact`; raises LabError, naming `what`, when there is none `within` seconds."""
    end = time.monotonic() + within
    pause = 0.002
    while not (value := fact()):
        if time.monotonic() > end:
            raise LabError(f"waited {within:g} s for {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return value
