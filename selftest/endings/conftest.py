"""Endings are met where the product runs: in a lab."""

from __future__ import annotations

import pytest

from selftest.labs.possible import require_lab


@pytest.fixture(scope="session", autouse=True)
def _possible() -> None:
    require_lab()
