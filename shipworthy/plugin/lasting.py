"""Python's garbage collector, spared what it would go through again and again for nothing.

Modules, models, test items: all that a run makes before it asks a host stays until its end. To look for garbage among
it takes a tenth of the start, and more with every thousand items.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting() -> Iterator[None]:
    """What the block makes is taken to last: it is not looked through, neither now nor later."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()
