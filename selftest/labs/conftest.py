"""One lab for the tests that break nothing in it, or mend what they break."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Lab, lab
from selftest.labs.possible import require_lab


@pytest.fixture(scope="session", autouse=True)
def _possible() -> None:
    require_lab()


@pytest.fixture(scope="session")
def fleet(_possible: None) -> Iterator[Lab]:
    with lab(hosts=2) as made:
        yield made
