"""Memory on kernels of their own: really swapped, waited for, promised, killed for; and on that machine alone."""

from __future__ import annotations

from lab.faults.kernel import memory
from selftest.scenarios.broken import EMULATED, Case, MachineFaults

SWAP = {
    "swapped": Case(memory.swap_in_use, r"swap used \d+ MiB, limit 64 MiB"),
    "thrashing": Case(memory.thrashing, "pages swapped both ways"),
    "held-back": Case(memory.held_back, "waiting for memory"),
}
KILLS = {
    "at-a-limit": Case(memory.killed_at_a_limit, "killed at their cgroup's limit 1"),
    "for-all": Case(memory.killed_for_the_machine, "for want of memory"),
    "no-fork": Case(memory.no_room_to_fork, "commit short for a fork"),
}


LITTLE_PRESSURE = """\
- hosts: thrashing
  memory:  # how much of the time it waits depends on how quick the emulated disk is
    pressure_full: {warn_above: null, fail_above: 5 %}
    pressure_some: {warn_above: null, fail_above: 5 %}
"""


class TestSwapAndPressure(MachineFaults):
    cases = SWAP
    policy = EMULATED + LITTLE_PRESSURE


class TestKillsAndForks(MachineFaults):
    cases = KILLS
