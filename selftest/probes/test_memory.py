"""What the memory probe asks of the runtime and of the machine, by what it is asked itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shipworthy.probes.memory import Memory, Request, probe
from shipworthy.probes.runtime.machine import Machine

THRASHING = Path(__file__).parents[1] / "cases" / "memory" / "debian11-5.10-thrashing"
RHEL7 = THRASHING.with_name("rhel7-3.10-swap-partition")
NOTHING = Request(rates=False, processes=False, oom=False, fork=False)


class Noted(Machine):
    """A recorded machine that notes what is read."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.paths: list[str] = []

    def read_bytes(self, path: str, at_most: int = 2**20) -> bytes:
        self.paths.append(path)
        return super().read_bytes(path, at_most)


def run(case: Path, request: Request, seconds: float) -> tuple[Memory, int, list[str]]:
    """(reading, how often it yielded, what it read)."""
    machine, yields = Noted(case), 0
    steps = probe(machine, request)
    try:
        next(steps)
        while True:
            yields += 1
            machine.root = str(case / "then")
            steps.send(seconds)
    except StopIteration as end:
        return end.value, yields, machine.paths


def test_without_rates_it_does_not_yield_and_reads_little() -> None:
    reading, yields, paths = run(THRASHING, NOTHING, 10.0)
    assert yields == 0
    assert reading.ram.available_percent == pytest.approx(3.9995)
    assert reading.swap.used_bytes == 3145724 * 1024
    parts = ("traffic", "pressure", "oom", "processes", "forkers")
    assert {name: reading.unseen[name] for name in parts} == dict.fromkeys(parts, "not asked")
    assert (reading.traffic, reading.pressure, reading.oom, reading.processes, reading.forkers) == (None,) * 5
    assert not [path for path in paths if "4000" in path or path in ("/proc/vmstat", "/proc/pressure/memory")]


def test_every_status_is_read_once() -> None:
    _, _, paths = run(THRASHING, Request(), 10.0)
    assert paths.count("/proc/4000/status") == 1
    assert paths.count("/proc/vmstat") == 3  # two samples, and the counter of kills


@pytest.mark.parametrize(
    ("case", "doubt", "yields"),
    [
        (THRASHING, {"doubt_swap_pages_per_second": 1199.0}, 2),
        (THRASHING, {"doubt_swap_pages_per_second": 1200.0}, 1),
        (THRASHING, {"doubt_some_percent": 44.9}, 2),
        (THRASHING, {"doubt_some_percent": 45.0, "doubt_full_percent": 20.5}, 1),
        (THRASHING, {"doubt_full_percent": 20.4}, 2),
        (THRASHING, {"doubt_stalls_per_second": 0.0, "doubt_refaults_per_second": 0.0}, 1),  # PSI decides there
        (RHEL7, {"doubt_stalls_per_second": 0.0}, 2),  # no PSI
        (RHEL7, {"doubt_refaults_per_second": 0.0, "doubt_some_percent": 0.0}, 1),  # neither is told there
        (THRASHING, {}, 1),
    ],
)
def test_what_looks_too_high_gets_the_long_window(case: Path, doubt: dict[str, Any], yields: int) -> None:
    assert run(case, Request(**doubt), 10.0 if case == THRASHING else 2.0)[1] == yields


def test_only_so_many_are_named() -> None:
    reading, _, _ = run(RHEL7, Request(top=1), 2.0)
    assert reading.processes is not None and reading.processes.top_swappers is not None
    assert [process.comm for process in reading.processes.top_swappers] == ["java"]
    assert [process.comm for process in reading.processes.top_resident] == ["java"]
    assert reading.processes.total == 2


def test_the_share_that_makes_a_forker_is_the_requests() -> None:
    reading, _, _ = run(RHEL7, Request(fork_share_percent=50.0), 2.0)
    assert reading.forkers == []
