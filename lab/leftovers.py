"""What a lab keeps outside its namespaces: a directory under /tmp with its keys, held by a lock, and control groups.

The kernel lets go of a lock when its holder dies, however it dies; so the next lab knows which directories are dead.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import cgroups, swapfile

PREFIX = "shipworthy-lab-"


@contextmanager
def lab_directory() -> Iterator[Path]:
    """A fresh directory of this lab's own, 0700, gone afterwards; the directories of dead labs go first."""
    with _one_at_a_time():
        _remove_dead()
        directory = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = _try_lock(directory)
    try:
        yield directory
    finally:
        _remove(directory)
        if lock is not None:
            os.close(lock)


def clean() -> list[Path]:
    """Remove what labs left whose makers are dead; what was removed."""
    with _one_at_a_time():
        return _remove_dead()


def _remove_dead() -> list[Path]:
    removed = []
    for directory in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        lock = _try_lock(directory)
        if lock is None:
            continue
        _remove(directory)
        os.close(lock)
        removed.append(directory)
    return removed


def _remove(directory: Path) -> None:
    """The directory goes last: as long as it is there, what it stands for is found again."""
    swapfile.remove(directory.name)
    cgroups.remove(directory.name)
    shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Between making a directory and locking it, nobody may take it for a dead one."""
    descriptor = os.open(tempfile.gettempdir(), os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _try_lock(directory: Path) -> int | None:
    """The descriptor that holds the directory's lock, or None while another process has it, or when it is gone."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
