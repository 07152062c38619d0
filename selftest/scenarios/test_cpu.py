"""Cores that are busy, stolen, waited for: the claims that speak of it turn, and on that host alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from lab.faults import cpu
from selftest.scenarios.broken import WELL, Broken, Case, broken_fleet

pytestmark = pytest.mark.xdist_group("cpu")

CASES = {
    "busy": Case(cpu.cores_busy, "cores busy 9[3-6](.[0-9])? %, warning above 60 %"),
    "interrupted": Case(cpu.core_bound_by_interrupts, "core [0-9]+ serving interrupts 8[345](.[0-9])? %"),
    "stolen": Case(cpu.time_stolen, "time stolen by the hypervisor"),
    "overloaded": Case(cpu.overloaded, "load per core 5.*, warning above 2"),
    "waited-for": Case(cpu.cores_waited_for, "some task waiting for a core"),
    "stopped": Case(cpu.stopped_at_a_quota, "periods cut short by the quota of 0.2 cores in .*, limit 25 %"),
}


POLICY = """
plays:
- hosts: busy
  cpu:
    busy: {warn_above: 60 %}   # what the probes use themselves is taken off, and the prepared counters do not have it
"""


@pytest.fixture(scope="module")
def broken() -> Iterator[Broken]:
    with broken_fleet(CASES, policy=POLICY) as made:
        yield made


@pytest.mark.parametrize("name", CASES)
def test_exactly_what_the_fault_declares_turns(broken: Broken, name: str) -> None:
    assert {turn for turn in broken.run.turned if turn.host == name} == broken.injected[name].turns, broken.run


@pytest.mark.parametrize("name", CASES)
def test_its_message_names_the_measure(broken: Broken, name: str) -> None:
    (check,) = {turn.check for turn in broken.injected[name].turns}
    message = broken.run.of(name)[check].message
    assert re.search(CASES[name].says or "", message), message
    assert "\n" not in message


def test_the_evidence_says_what_the_time_went_to(broken: Broken) -> None:
    assert any(re.search("user (7[789]|80) %", line) for line in broken.run.of("busy")["cpu.busy"].evidence)
    assert any("softirq 84 %" in line for line in broken.run.of("interrupted")["cpu.core"].evidence)


def test_nothing_but_the_declared_turns(broken: Broken) -> None:
    assert broken.run.turned == {turn for injected in broken.injected.values() for turn in injected.turns}
    assert broken.run.status == 1


def test_the_hosts_that_are_well_are_untouched(broken: Broken) -> None:
    for name in WELL:
        assert broken.untouched(name)
