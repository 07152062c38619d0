"""One at a time on this machine: what makes the kernel's own counters rise, which hosts without prepared files see."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(among: Path = Path(__file__)) -> Iterator[None]:
    """Inside, nobody else on this machine is, of those who say the same file; the kernel lets go when one dies."""
    with among.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
