"""The machine itself swaps, and kills for want of memory, for real: every host that shares it must turn.

What its log and its counters said before is known from a run before: only what is new may turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Lab, lab
from lab.alone import alone
from lab.faults.machine import real_oom_kill, real_swap_in_use
from selftest.scenarios.suite import suite

MEMORY = ("-m", "memory or reachable")
"""These hosts see the machine's own kernel, and so whatever else keeps it busy: that is not what is asked here."""


@pytest.fixture
def fleet() -> Iterator[Lab]:
    with alone(), lab(hosts=2, prepared=False) as made:
        yield made


def test_real_swap_turns_every_host(fleet: Lab, tmp_path: Path) -> None:
    before = suite(fleet, *MEMORY, reports=tmp_path)
    with real_swap_in_use(fleet) as fault:
        run = suite(fleet, *MEMORY, reports=tmp_path)
    # Whatever else runs here may fetch its pages back meanwhile: that is the machine's, and true.
    assert {turn for turn in run.turned - before.turned if turn.check != "memory.swap_quiet"} == fault.turns, run
    evidence = run.of("db")["memory.swap_used"].evidence
    assert any("python3" in line for line in evidence)


def test_a_real_oom_kill_turns_every_host(fleet: Lab, tmp_path: Path) -> None:
    suite(fleet, *MEMORY, reports=tmp_path)
    with real_oom_kill(fleet) as fault:
        run = suite(fleet, *MEMORY, reports=tmp_path)
    assert run.turned == fault.turns, run
