"""Hosts that cannot be reached: a line each, a deadline in all, and sums that add up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab import Lab, lab
from lab.faults import login, memory
from selftest.scenarios import broken
from selftest.scenarios.suite import ROOT, Run, suite

CHECKS, OF_FLEET = len(broken.CHECKS), len(broken.OF_FLEET)
COMPARING = len(broken.OF_FLEET - {"dns.same"})
"""Of these, those that have something to compare where no policy names a DNS name."""


@pytest.fixture(scope="module")
def fleet() -> Iterator[Lab]:
    with lab(names=["db", "web", "gone"]) as made:
        yield made


@pytest.fixture(scope="module")
def run(fleet: Lab) -> Run:
    """One of three is gone; the other two swap alike."""
    db, web, gone = fleet
    with memory.swap_in_use(db), memory.swap_in_use(web), login.refused(gone):
        return suite(fleet)


def test_one_check_fails_and_the_others_are_errors_that_say_so(run: Run) -> None:
    gone = run.of("gone")
    assert gone.pop("reachable.login").outcome == "failed"
    assert {result.outcome for result in gone.values()} == {"error"}
    assert all(result.message.startswith("unreachable: connect: ") for result in gone.values())
    assert run.status == 1


def test_the_terminal_tells_it_in_one_line(run: Run) -> None:
    (line,) = [line for line in run.stdout.splitlines() if re.match(r"[A-Z]+ +gone ", line)]
    told = rf"connect: \S+ port 22: connection refused \(so {CHECKS - 1} other checks could not be measured\)"
    assert re.fullmatch(rf"FAILED  gone  reachable\.login  {told}", line)


def test_the_same_finding_on_two_hosts_is_told_once(run: Run) -> None:
    (line,) = [line for line in run.stdout.splitlines() if "swap used" in line]
    assert line.endswith((": 2 of 3 hosts (db, web)", ": 2 of 3 hosts (web, db)")), line


def test_the_summary_adds_up(run: Run) -> None:
    (summary,) = [line for line in run.stdout.splitlines() if " on 3 hosts in " in line]
    counts = re.findall(r"(\d+) (?:passed|warned|failed|errors?|skipped|waived)", summary)
    assert sum(map(int, counts)) == len(run.results)
    assert len(run.results) == 3 * CHECKS + OF_FLEET


OWN_TESTS = """
import pytest

def test_finds_the_same(host):
    host.check_output("exit 3")

@pytest.mark.xfail
def test_is_known_to_fail(host):
    assert False
"""


def test_so_it_is_with_users_own_tests(fleet: Lab, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_own.py").write_text(OWN_TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    with login.refused(fleet[2]):
        run = suite(fleet, cwd=tmp_path, environment={"PYTHONPATH": str(ROOT)})
    told = run.stdout.partition("report: ")[0].splitlines()
    (same,) = [line for line in told if "Unexpected exit code 3" in line]
    assert "2 of 3 hosts" in same
    (gone,) = [line for line in told if "gone" in line]
    assert gone.startswith("ERROR   gone  own.finds_the_same  unreachable: connect: ")
    assert not [line for line in told if line.startswith(" ") and "│" not in line], run


def test_a_whole_fleet_that_is_gone(fleet: Lab) -> None:
    with ExitStack() as faults:
        for host in fleet:
            faults.enter_context(login.refused(host))
        run = suite(fleet)
    told = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert sorted(line.split()[1] for line in told) == ["db", *["db,"] * COMPARING, "gone", "web"]
    assert f"3 failed, {3 * (CHECKS - 1) + COMPARING} errors" in run.stdout
    assert run.status == 1


def test_hosts_that_stall_cost_one_deadline_together(fleet: Lab) -> None:
    with ExitStack() as faults:
        for host in fleet:
            faults.enter_context(login.stalled_shell(host))
        run = suite(fleet, "--deadline=4", "--window=1")
    (summary,) = [line for line in run.stdout.splitlines() if " on 3 hosts in " in line]
    assert 3.5 < float(summary.rpartition(" in ")[2].removesuffix(" s")) < 8, summary
    assert len(run.failed) == 3


def test_nothing_but_errors_is_status_6(fleet: Lab) -> None:
    """What failed was not selected: unknown is still no pass."""
    with login.refused(fleet[2]):
        run = suite(fleet, "-m", "memory", "--limit=gone")
    assert run.status == 6
    (line,) = [line for line in run.stdout.splitlines() if line.startswith("ERROR")]
    assert re.search(r"gone  \d+ checks  unreachable: connect: ", line)
