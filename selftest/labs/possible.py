"""Where a lab cannot be built, what needs one is skipped and says why; on CI that is a failure."""

from __future__ import annotations

import os

import pytest

from lab import available


def require_lab() -> None:
    """Skip the test that asks, or fail it where CI is set, unless labs can be built here."""
    reason = available()
    if reason and os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    if reason:
        pytest.skip(reason)
