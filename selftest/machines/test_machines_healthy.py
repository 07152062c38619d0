"""Machines straight from the image, which nobody has broken: all is well, and what strict says of them is true."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Lab
from lab.alone import alone
from lab.faults import Turn
from lab.machines import machines
from selftest.labs.possible import require_machines
from selftest.scenarios.broken import CHECKS, EMULATED, EMULATORS
from selftest.scenarios.suite import suite


@pytest.fixture(scope="module")
def fleet() -> Iterator[Lab]:
    require_machines()
    with alone(EMULATORS), machines(3) as made:
        yield made


def test_all_is_well(fleet: Lab) -> None:
    run = suite(fleet, policy=EMULATED)
    assert run.turned == set(), run
    assert run.status == 0
    for host in fleet:
        results = run.of(host.name)
        assert results.keys() == CHECKS
        judged = {check for check, result in results.items() if result.outcome == "passed"}
        assert judged >= {"memory.swap_used", "memory.oom_kills", "memory.pressure", "clock.sources", "disks.space"}


def test_strict_sees_that_they_have_one_source_of_time_each(fleet: Lab) -> None:
    run = suite(fleet, policy=f"extends: strict\n{EMULATED}")
    assert run.turned == {Turn("clock.sources", host.name, "warned") for host in fleet}, run
