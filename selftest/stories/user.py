"""A user's own repository: files that they write, commands that they run in it, and what came of each.

In: texts and arguments. Out: `Ran`: exit status, what was said, and what the run left behind.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from shipworthy.results import Result, from_line

ROOT = Path(__file__).parents[2]
SECONDS = 90.0
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "CI")

HERE = "all:\n  hosts:\n    here: {ansible_connection: local}\n"
"""An inventory of this machine."""


@dataclass(frozen=True)
class Ran:
    """One command, finished."""

    status: int
    said: str
    """Standard output with standard error."""
    directory: Path = field(repr=False)
    """Of the run that it left, if it left one."""

    @cached_property
    def results(self) -> tuple[Result, ...]:
        path = self.directory / "results.jsonl"
        return tuple(from_line(line) for line in path.read_text().splitlines()) if path.exists() else ()

    @property
    def outcomes(self) -> dict[str, str]:
        """Outcome by check, of a run on one host."""
        return {result.check: result.outcome for result in self.results}

    @property
    def facts(self) -> dict[str, Any]:
        """run.json."""
        return dict(json.loads((self.directory / "run.json").read_text()))

    def of(self, check: str) -> Result:
        """The only result of `check`."""
        (result,) = (result for result in self.results if result.check == check)
        return result

    def __str__(self) -> str:
        return f"exit {self.status}\n{self.said}"


@dataclass(frozen=True)
class Repository:
    """A directory of a user's, in which `pytest` is run."""

    directory: Path
    python: Path
    """That of the environment in which Shipworthy is installed."""
    through: Sequence[str] = ()
    """What commands are started by: `lab.here.command([])` for those that reach a lab."""

    def write(self, path: str, text: str) -> Path:
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def start(
        self, *command: str, environment: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.Popen[str]:
        """Start `python COMMAND…` here as a user's shell would; nothing of the pytest that runs this test is met."""
        home = self.directory.parent / f"{self.directory.name}-home"
        home.mkdir(exist_ok=True)
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        kept |= {"HOME": str(home), "COLUMNS": "160", "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.Popen(
            [*self.through, str(self.python), "-P", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="surrogateescape",
            cwd=cwd or self.directory,
            env={**kept, **(environment or {})},
        )

    def ended(self, process: subprocess.Popen[str]) -> Ran:
        try:
            said, _ = process.communicate(timeout=SECONDS)
        except BaseException:
            process.kill()
            raise
        return Ran(process.returncode, said, (self.directory / "reports" / "latest").resolve())

    def run(self, *command: str, environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> Ran:
        """Run `python COMMAND…` here."""
        return self.ended(self.start(*command, environment=environment, cwd=cwd))

    def pytest(self, *arguments: str, environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> Ran:
        """Run `pytest ARGUMENTS…` here."""
        return self.run("-m", "pytest", "-p", "no:cacheprovider", *arguments, environment=environment, cwd=cwd)

    @property
    def files(self) -> set[str]:
        """Everything that lies here."""
        return {str(path.relative_to(self.directory)) for path in self.directory.rglob("*")}
