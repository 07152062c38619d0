"""Cores that are busy, stolen, waited for: the claims that speak of it turn, and on that host alone."""

from __future__ import annotations

import re

from lab.faults import cpu
from selftest.scenarios.broken import Broken, Case, Faults

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


class TestFaults(Faults):
    cases = CASES
    policy = POLICY

    def test_the_evidence_says_what_the_time_went_to(self, broken: Broken) -> None:
        assert any(re.search("user (7[789]|80) %", line) for line in broken.run.of("busy")["cpu.busy"].evidence)
        assert any("softirq 84 %" in line for line in broken.run.of("interrupted")["cpu.core"].evidence)
