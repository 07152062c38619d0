"""Run the suite as a user would, on a lab, and say exactly what turned.

In: a lab, pytest's own arguments, and what else a user may set. Out: a `Run`: exit status, both streams, every result.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab import Lab, write_inventory
from lab.faults import Injected, Turn
from shipworthy.results import Result, from_line

ROOT = Path(__file__).parents[2]
DEADLINE = 120.0
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "CI")


@dataclass(frozen=True)
class Run:
    """One run of the suite, finished."""

    status: int
    stdout: str
    stderr: str
    seconds: float
    directory: Path
    """Of this run's files: results.jsonl, report.html, …"""
    results: tuple[Result, ...] = field(repr=False)

    @property
    def failed(self) -> set[tuple[str, str | None]]:
        """(test, host) of what failed."""
        return {(result.test, result.host) for result in self.results if result.outcome == "failed"}

    @property
    def turned(self) -> set[Turn]:
        """Every check that neither passed nor was found not to apply, by host, and what it came to."""
        return {
            Turn(result.check, result.host or "", result.outcome)
            for result in self.results
            if result.outcome not in {"passed", "skipped"}
        }

    def of(self, host: str) -> dict[str, Result]:
        """The results of one host, by check."""
        return {result.check: result for result in self.results if result.host == host}

    def __str__(self) -> str:
        return f"exit {self.status} after {self.seconds:.1f} s\n{self.stdout}\n{self.stderr}"


def suite(
    lab: Lab,
    *arguments: str,
    faults: Iterable[Injected] = (),
    policy: str | None = None,
    ssh_config: str | None = None,
    variables: Mapping[str, Mapping[str, object]] | None = None,
    environment: Mapping[str, str] | None = None,
    reports: Path | None = None,
    cwd: Path = ROOT,
    deadline: float = DEADLINE,
    meanwhile: Callable[[subprocess.Popen[str], Path], None] | None = None,
) -> Run:
    """Run `pytest --inventory=… --reports=… ARGUMENTS` where the lab's hosts are reached.

    `faults` are those that were injected: they may say how the inventory must log in. `policy` is the text of a policy
    file, `ssh_config` that of the user's ~/.ssh/config; otherwise home is an empty directory, so nothing of the user
    who runs the tests is met. `meanwhile` is called with the running pytest and its reports' directory. Raises
    `subprocess.TimeoutExpired` after `deadline` seconds.
    """
    home = Path(tempfile.mkdtemp(prefix="suite-", dir=lab.directory))
    reports = reports or home / "reports"
    inventory = write_inventory(lab, home, variables=_told(variables or {}, faults))
    command = [sys.executable, "-m", "pytest", f"--inventory={inventory}", f"--reports={reports}"]
    if policy is not None:
        (home / "policy.yml").write_text(policy)
        command.append(f"--policy={home / 'policy.yml'}")
    if ssh_config is not None:
        (home / ".ssh").mkdir(mode=0o700)
        (home / ".ssh" / "config").write_text(ssh_config)
    started = time.monotonic()
    with subprocess.Popen(
        lab.here.command([*command, "-p", "no:cacheprovider", *arguments]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="surrogateescape",
        cwd=cwd,
        env={**_environment(home), **(environment or {})},
    ) as process:
        try:
            if meanwhile:
                meanwhile(process, reports)
            stdout, stderr = process.communicate(timeout=deadline)
        except BaseException:
            process.kill()
            raise
    seconds = time.monotonic() - started
    directory = reports / "latest"
    return Run(process.returncode, stdout, stderr, seconds, directory.resolve(), _results(directory))


def _told(variables: Mapping[str, Mapping[str, object]], faults: Iterable[Injected]) -> dict[str, dict[str, object]]:
    told = {host: dict(its) for host, its in variables.items()}
    for fault in faults:
        for host, its in fault.variables.items():
            told.setdefault(host, {}).update(its)
    return told


def _environment(home: Path) -> dict[str, str]:
    """What a user's shell would have; nothing of the pytest that runs this test."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "HOME": str(home), "COLUMNS": "160", "PYTHONDONTWRITEBYTECODE": "1"}


def _results(directory: Path) -> tuple[Result, ...]:
    path = directory / "results.jsonl"
    return tuple(from_line(line) for line in path.read_text().splitlines()) if path.exists() else ()
