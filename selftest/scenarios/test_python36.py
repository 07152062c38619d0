"""A host whose only Python is 3.6, as on RHEL 8: everything is measured, nothing turns."""

from __future__ import annotations

import pytest

from lab import lab
from lab.faults import places
from selftest.scenarios.suite import suite


@pytest.mark.skipif(places.old_python() is None, reason="this machine has no Python 3.6 in ~/.pyenv/versions")
def test_python_36_is_borne() -> None:
    with lab(names=["rhel"]) as fleet, places.only_python_36(fleet[0]) as fault:
        run = suite(fleet)
    assert run.turned == fault.turns, run
    assert run.results
