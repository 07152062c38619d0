"""One at a time on this machine: what makes the kernel's own counters rise, which hosts without prepared files see."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone() -> Iterator[None]:
    """Inside, nobody else on this machine is inside; the kernel lets go when the holder dies."""
    with Path(__file__).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
