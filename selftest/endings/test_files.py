"""A run whose files cannot be written still tells what it found, says so in one line, and is no success."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import Lab, lab, wait_until
from selftest.scenarios.suite import Run, suite


@pytest.fixture(scope="module")
def fleet() -> Iterator[Lab]:
    with lab(hosts=2) as made:
        yield made


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A file system of that size at `place`."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True, timeout=10)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True, timeout=10)


def assert_told(run: Run, why: str) -> None:
    assert run.status == 3, run
    (error,) = [line for line in run.stdout.splitlines() if line.startswith("error: ")]
    assert error.startswith("error: the files of this run are incomplete: "), error
    assert error.endswith(why), error
    assert re.search(r"passed, \d+ skipped on 2 hosts in", run.stdout)  # what it found
    assert "INTERNALERROR" not in run.stdout
    assert "Traceback" not in run.stdout + run.stderr
    assert run.stderr == ""


@pytest.mark.parametrize("size", ["4k", "12k", "20k", "64k"])
def test_a_full_disk(fleet: Lab, tmp_path: Path, size: str) -> None:
    """Full when the run begins, while checks are written down, and when the report is."""
    with small_disk(tmp_path / "reports", size) as reports:
        run = suite(fleet, "--window=0.1", reports=reports)
        assert_told(run, ": No space left on device")
        assert not list(reports.rglob(".*")), "a draft was left"


def test_a_directory_that_is_removed_meanwhile(fleet: Lab, tmp_path: Path) -> None:
    def remove(process: subprocess.Popen[str], reports: Path) -> None:
        wait_until(lambda: process.poll() is not None or list(reports.glob("2*/run.json")), within=30, what="run.json")
        shutil.rmtree(reports)

    run = suite(fleet, "--window=2", reports=tmp_path / "reports", meanwhile=remove)
    assert_told(run, ": No such file or directory")
    assert not (tmp_path / "reports").exists()
    assert "report: " not in run.stdout
