"""A user's own repository: nothing in it but an inventory, tests with testinfra's `host`, and the installed package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Lab, lab
from selftest.scenarios.suite import ROOT, suite

HOST_TESTS = '''
def test_motd_is_short(host):
    """Nobody reads a long one."""
    assert host.file("/srv/motd").size < 10


def test_root_runs_sshd(host):
    assert host.user().name == "root"
    assert host.process.filter(comm="sshd")
'''
INI = "[pytest]\ntestpaths = tests\n"


@pytest.fixture
def fleet() -> Iterator[Lab]:
    with lab(hosts=2) as made:
        yield made


def test_own_tests_run_on_every_host_in_the_same_login(fleet: Lab, tmp_path: Path) -> None:
    db, web = fleet
    db.write("/srv/motd", "short")
    web.write("/srv/motd", "far too long")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_motd.py").write_text(HOST_TESTS)
    (tmp_path / "pytest.ini").write_text(INI)
    run = suite(fleet, cwd=tmp_path, environment={"PYTHONPATH": str(ROOT)})
    assert run.failed == {("test_motd_is_short", "web")}, run
    assert {(result.test, result.host) for result in run.results if result.outcome == "passed"} == {
        ("test_motd_is_short", "db"),
        ("test_root_runs_sshd", "db"),
        ("test_root_runs_sshd", "web"),
    }
    assert run.status == 1


READING_TESTS = '''
from shipworthy.checks import check


def test_a_plain_test_may_read(memory):
    assert memory.ram.total_bytes > 0
    assert memory.traffic.seconds > 0


@check("mine.shared_memory")
def test_shared_memory_is_small(memory):
    """tmpfs holds little.

    Why: it cannot be reclaimed.
    Look: df -t tmpfs
    """
    assert memory.ram.shmem_bytes < 2**30
    assert memory.processes is not None
'''


def test_own_checks_may_use_a_reading_whole(fleet: Lab, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_mine.py").write_text(READING_TESTS)
    (tmp_path / "pytest.ini").write_text(INI)
    run = suite(fleet, cwd=tmp_path, environment={"PYTHONPATH": str(ROOT)})
    assert run.turned == set(), run
    assert len(run.results) == 4
