"""Scenarios need labs."""

from __future__ import annotations

import pytest

from selftest.labs.possible import require_lab


@pytest.fixture(scope="session", autouse=True)
def _possible() -> None:
    require_lab()
