"""A run that is ended before its end: at once, with a truthful report, and with nothing left running on a host.

gone      refuses the connection: judged at once
looking   is measured over a long window: a probe runs there
stalled   lets one in, and then says nothing
dropped   never answers
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab import Lab, LabHost, lab, wait_until
from lab.faults import login
from selftest.scenarios import broken
from selftest.scenarios.suite import ROOT, Run, suite

CHECKS, OF_FLEET = len(broken.CHECKS), len(broken.OF_FLEET)
SLOW = ("--window=14", "--connect-timeout=25")
PROBE = "python3 -I -S"
Meanwhile = Callable[["subprocess.Popen[str]", Path], None]


@pytest.fixture(scope="module")
def fleet() -> Iterator[Lab]:
    with lab(names=["gone", "looking", "stalled", "dropped"]) as made, ExitStack() as faults:
        gone, _, stalled, dropped = made
        for fault, host in ((login.refused, gone), (login.stalled_shell, stalled), (login.dropped, dropped)):
            faults.enter_context(fault(host))
        yield made


def probes_on(host: LabHost) -> list[str]:
    return [command for command in host.processes().values() if PROBE in command]


def half_way(fleet: Lab, process: subprocess.Popen[str], reports: Path) -> None:
    """Wait until one host was judged, another is being measured, and the rest is waited for."""

    def there() -> bool:
        judged = [path.read_text().count("\n") for path in reports.glob("2*/results.jsonl")]
        return process.poll() is not None or (judged == [CHECKS] and bool(probes_on(fleet[1])))

    wait_until(there, within=40, what="a run that is half-way")
    assert process.poll() is None


def ended_by(fleet: Lab, *numbers: int) -> tuple[Run, float]:
    """A run, and the seconds from the first of these signals to its end."""
    sent = 0.0

    def interrupt(process: subprocess.Popen[str], reports: Path) -> None:
        nonlocal sent
        half_way(fleet, process, reports)
        sent = time.monotonic()
        for number in numbers:
            process.send_signal(number)
            time.sleep(0.02)  # two of a kind at the same moment are one

    run = suite(fleet, *SLOW, meanwhile=interrupt)
    return run, time.monotonic() - sent


@pytest.fixture(scope="module", params=[(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT,) * 3], ids=str)
def ended(request: pytest.FixtureRequest, fleet: Lab) -> tuple[Run, float]:
    return ended_by(fleet, *request.param)


def test_it_ends_at_once_with_status_2(ended: tuple[Run, float]) -> None:
    run, seconds = ended
    assert run.status == 2, run
    assert seconds < 6, "about one and a half on a machine that has nothing else to do"


def test_its_report_is_truthful(ended: tuple[Run, float]) -> None:
    run, _ = ended
    facts = json.loads((run.directory / "run.json").read_text())
    assert (facts["status"], facts["exit_status"], facts["selected"]) == ("interrupted", 2, 4 * CHECKS + OF_FLEET)
    assert {result.host for result in run.results} == {"gone"}
    assert len(facts["not_run"]) == 3 * CHECKS + OF_FLEET
    assert not {result.nodeid for result in run.results} & set(facts["not_run"])
    assert sum(facts["counts"].values()) == CHECKS
    assert "<testcase" in (run.directory / "junit.xml").read_text()
    assert "nterrupted" in (run.directory / "report.html").read_text()


def test_the_terminal_names_what_did_not_run(ended: tuple[Run, float]) -> None:
    lines = ended[0].stdout.splitlines()
    told = f"{CHECKS} on looking, {CHECKS} on stalled, {CHECKS} on dropped, {OF_FLEET} on all hosts"
    assert f"{3 * CHECKS + OF_FLEET} checks did not run: {told}" in lines
    (summary,) = [line for line in lines if f"{3 * CHECKS + OF_FLEET} not run on 4 hosts" in line]
    assert summary.startswith(f"1 failed, {CHECKS - 1} errors, ")
    assert ended[0].stderr == ""
    assert not any("Warning" in line or "Traceback" in line for line in lines), ended[0]


def test_no_probe_is_left(fleet: Lab, ended: tuple[Run, float]) -> None:
    wait_until(lambda: not any(map(probes_on, fleet)), within=5, what="the probes to end")


WAYS: dict[str, dict[str, object]] = {
    "paramiko": {},
    "sudo": {"ansible_user": "deploy", "ansible_become": True},
    "openssh": {"ansible_connection": "openssh"},
}


@pytest.mark.parametrize("way", WAYS)
def test_probes_end_when_the_suite_is_killed(fleet: Lab, way: str) -> None:
    def kill(process: subprocess.Popen[str], reports: Path) -> None:
        half_way(fleet, process, reports)
        process.kill()

    run = suite(fleet, *SLOW, variables={"looking": WAYS[way]}, meanwhile=kill)
    assert run.status == -signal.SIGKILL
    wait_until(lambda: not any(map(probes_on, fleet)), within=5, what="the probes to end")
    wait_until(lambda: not left_here(fleet, b"ssh"), within=5, what="ssh to end")


def test_what_a_killed_run_left_can_be_reported(fleet: Lab, tmp_path: Path) -> None:
    def kill(process: subprocess.Popen[str], reports: Path) -> None:
        half_way(fleet, process, reports)
        process.kill()

    suite(fleet, *SLOW, meanwhile=kill, reports=tmp_path)
    (left,) = tmp_path.glob("2*")
    assert json.loads((left / "run.json").read_text())["status"] == "running"
    command = [str(ROOT / ".venv/bin/python"), "-m", "shipworthy", "report", str(left)]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_who_is_pending_is_told_and_the_run_goes_on(fleet: Lab) -> None:
    def ask(process: subprocess.Popen[str], reports: Path) -> None:
        half_way(fleet, process, reports)
        process.send_signal(signal.SIGUSR1)

    run = suite(fleet, "--window=2", "--deadline=5", "--connect-timeout=4", meanwhile=ask)
    pending = [line for line in run.stdout.splitlines() if re.match(r"\w+: [\d.]+ s, got past \w+", line)]
    assert [line.partition(":")[0] for line in pending] == ["looking", "stalled", "dropped"], run
    assert run.status == 1
    assert len(run.results) == 4 * CHECKS + OF_FLEET


SLOW_TESTS = """
import pathlib, time

def test_is_slow(host):
    pathlib.Path({there!r}).touch()
    time.sleep(60)

def test_comes_after(host):
    pass
"""


def own_repository(folder: Path, test: str) -> Path:
    (folder / "tests").mkdir()
    (folder / "tests" / "test_own.py").write_text(test)
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    return folder


def test_a_users_slow_test_is_broken_off(fleet: Lab, tmp_path: Path) -> None:
    there = tmp_path / "there"
    own_repository(tmp_path, SLOW_TESTS.format(there=str(there)))

    def interrupt(process: subprocess.Popen[str], _: Path) -> None:
        wait_until(lambda: there.exists() or process.poll() is not None, within=40, what="the slow test")
        process.send_signal(signal.SIGTERM)

    run = suite(
        fleet, "--limit=looking", meanwhile=interrupt, cwd=tmp_path, environment={"PYTHONPATH": str(ROOT)}, deadline=45
    )
    assert run.status == 2, run
    assert "2 checks did not run: 2 on looking" in run.stdout
    assert "no check finished, 2 not run on 1 host" in run.stdout


def test_interrupted_while_tests_are_collected(fleet: Lab, tmp_path: Path) -> None:
    there = tmp_path / "there"
    own_repository(tmp_path, f"import pathlib, time\npathlib.Path({str(there)!r}).touch()\ntime.sleep(60)\n")

    def interrupt(process: subprocess.Popen[str], _: Path) -> None:
        wait_until(lambda: there.exists() or process.poll() is not None, within=40, what="the collection")
        process.send_signal(signal.SIGTERM)

    run = suite(fleet, meanwhile=interrupt, cwd=tmp_path, environment={"PYTHONPATH": str(ROOT)}, deadline=45)
    assert run.status == 2, run
    assert "Interrupted: by SIGTERM" in run.stdout
    assert not run.directory.exists()
    assert "Traceback" not in run.stdout + run.stderr


@pytest.mark.parametrize("argument", ["-x", "--maxfail=1"])
def test_stopped_at_the_first_failure(fleet: Lab, argument: str) -> None:
    run = suite(fleet, argument, "--limit=gone,looking", "--window=4")
    facts = json.loads((run.directory / "run.json").read_text())
    assert run.status == 1, run
    assert [(result.check, result.outcome) for result in run.results] == [("reachable.login", "failed")]
    left = 2 * CHECKS - 1 + OF_FLEET
    assert (facts["status"], len(facts["not_run"])) == ("interrupted", left)
    assert f"{left} checks did not run: {CHECKS - 1} on gone, {CHECKS} on looking, {OF_FLEET} on all" in run.stdout
    assert f"1 failed, {left} not run on 2 hosts" in run.stdout


def test_nothing_of_this_is_left_here(fleet: Lab) -> None:
    """No pytest of ours hangs at its end."""
    assert not left_here(fleet, b"pytest")


def left_here(fleet: Lab, program: bytes) -> list[bytes]:
    """Command lines on this machine of `program` that name the lab's directory."""
    lines = (_text(path) for path in Path("/proc").glob("[0-9]*/cmdline") if path.parent.name != str(os.getpid()))
    return [line for line in lines if program in line and bytes(fleet.directory) in line]


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
