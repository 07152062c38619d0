"""A library that another one imports and hardly ever uses: loaded when it is used.

In: its name. Out: for as long as the other one is imported, a stand-in.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


@contextmanager
def put_off(name: str) -> Iterator[None]:
    """Who imports the module `name` inside is given a stand-in for it, unless it is loaded already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = _StandIn(name)
    try:
        yield
    finally:
        sys.modules.pop(name, None)  # another thread may have been here too
