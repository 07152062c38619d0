"""A deadline for what others run here: inventory scripts and plugins, which may never end.

In: seconds. Out: an `InventoryError` in the middle of whatever is running then, and no child of it left behind.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from shipworthy.errors import InventoryError

LONGEST = 120.0
"""Seconds: a cloud's inventory is asked over the network, page by page."""


@contextmanager
def deadline(seconds: float, what: str) -> Iterator[None]:
    """Raise InventoryError inside once `seconds` have passed; only in the main thread, which alone hears signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    late = False

    def over(_number: int, _frame: FrameType | None) -> None:
        nonlocal late
        late = True
        kill_children(os.getpid())
        raise InventoryError.at(what, f"no end of it after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except InventoryError:
        if late:  # whatever else is said follows from it
            raise InventoryError.at(what, f"no end of it after {seconds:g} s") from None
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def kill_children(pid: int) -> None:
    """All below `pid`, the lowest first: while inventories are read, the process that reads them has no others."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            for child in (task / "children").read_text().split():
                kill_children(int(child))
                os.kill(int(child), signal.SIGKILL)
