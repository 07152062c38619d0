"""Memory that is short, swapped, waited for, killed for: the claims that speak of it turn, and on that host alone."""

from __future__ import annotations

import pytest

from lab.faults import memory
from selftest.scenarios.broken import Broken, Case, Faults

CASES = {
    "swapped": Case(memory.swap_in_use, "swap used 512 MiB, limit 64 MiB"),
    "swapped-little": Case(memory.little_swap_in_use, "swap used 4 MiB"),
    "thrashing": Case(memory.swap_thrashing, "pages swapped both ways"),
    "coming-back": Case(memory.swap_coming_back, "pages swapped in"),
    "short": Case(memory.low_memory, "memory available 2 %"),
    "short-unmissed": Case(memory.low_memory_that_nobody_misses, "memory available 2 %"),
    "pressed": Case(memory.memory_pressure, "waiting for memory"),
    "killed": Case(memory.oom_killed, "kills for want of memory of unknown kind 1"),
    # Version 1 does not tell what a group's processes were killed for.
    "killed-in-cg": Case(memory.oom_killed_in_a_cgroup, "killed at their cgroup's limit 1|of unknown kind 1"),
    "no-fork": Case(memory.no_room_to_fork, "commit short for a fork"),
    "no-copy": Case(memory.no_room_for_a_forked_copy, "memory short for a forked copy"),
}


class TestFaults(Faults):
    cases = CASES

    @pytest.mark.parametrize(
        ("name", "check", "process"),
        [
            ("swapped", "memory.swap_used", "java"),
            ("no-fork", "memory.fork", "postgres"),
            ("no-copy", "memory.fork", "redis-server"),
        ],
    )
    def test_its_evidence_names_the_process(self, broken: Broken, name: str, check: str, process: str) -> None:
        assert any(process in line for line in broken.run.of(name)[check].evidence)
