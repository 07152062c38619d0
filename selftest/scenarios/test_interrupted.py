"""A run that is ended half-way says the truth about it: what was found, what did not run; exit status 2, at once."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Lab, lab, wait_until
from lab.faults import login
from selftest.scenarios.broken import CHECKS
from selftest.scenarios.suite import suite


@pytest.fixture(scope="module")
def stalled() -> Iterator[Lab]:
    with lab(names=["well", "stalled"]) as fleet, login.stalled_shell(fleet[1]):
        yield fleet


def _first_results(process: subprocess.Popen[str], reports: Path) -> None:
    """Wait until the host that is well was judged; the other one never will be."""

    def judged() -> bool:
        lines = [path.read_text().count("\n") for path in reports.glob("2*/results.jsonl")]
        return process.poll() is not None or lines >= [len(CHECKS)]

    wait_until(judged, within=30, what="the first results")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
def test_it_ends_at_once_and_tells_what_did_not_run(stalled: Lab, how: signal.Signals) -> None:
    ended = 0.0

    def interrupt(process: subprocess.Popen[str], reports: Path) -> None:
        nonlocal ended
        _first_results(process, reports)
        process.send_signal(how)
        ended = time.monotonic()

    run = suite(stalled, meanwhile=interrupt)
    assert time.monotonic() - ended < 25  # the stalled host alone would take the deadline of 30 s
    assert run.status == 2, run
    assert run.of("well")["reachable.login"].outcome == "passed"
    assert "passed" not in {result.outcome for result in run.of("stalled").values()}
    assert "stalled" in run.stdout
    assert (run.directory / "report.html").exists()
    assert (run.directory / "junit.xml").exists()


def test_sigusr1_tells_who_is_pending(stalled: Lab) -> None:
    def ask(process: subprocess.Popen[str], reports: Path) -> None:
        _first_results(process, reports)
        process.send_signal(signal.SIGUSR1)

    run = suite(stalled, "--deadline=6", meanwhile=ask)
    told = [line for line in (run.stdout + run.stderr).splitlines() if "stalled" in line]
    assert len(told) >= 2, run  # once when asked, once as what it came to
    assert run.status == 1
