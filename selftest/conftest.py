"""How hypothesis looks for hostile input: without a clock, and in CI the same every time, so that it is a gate."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("selftest", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("selftest")
