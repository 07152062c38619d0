"""How the selftests run: hypothesis without a clock, and the files that build labs first and whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

settings.register_profile("selftest", deadline=None, derandomize=bool(os.environ.get("CI")))  # in CI the same each time
settings.load_profile("selftest")

_LONG = ("scenarios", "endings", "stories", "labs")
_SINGLY = "labs/test_faults.py"
"""Its tests share nothing and there are many: they are what fills the gaps."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long is begun first, so that nobody waits for it at the end."""
    items.sort(key=lambda item: (item.path.parent.name not in _LONG, item.nodeid.startswith(_SINGLY)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """A file is one worker's, since its tests share a lab."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            return nodeid if nodeid.startswith(_SINGLY) else nodeid.partition("::")[0]

    return ByFile(config, log)
