"""Where a lab cannot be built, what needs one is skipped and says why; on CI that is a failure."""

from __future__ import annotations

import os

import pytest

from lab import available, machines


def require_lab() -> None:
    """Skip the test that asks, or fail it where CI is set, unless labs can be built here."""
    _require(available())


def require_machines() -> None:
    """The same for machines with kernels of their own; their image is made if there is none."""
    _require(machines.available() or machines.built())


def _require(reason: str | None) -> None:
    if reason and os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    if reason:
        pytest.skip(reason)
