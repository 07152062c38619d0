"""Reading a run's directory back: its results one by one, and its facts.

In: a directory that `run.py` wrote, perhaps by a run that was killed. Out: results as a stream, run.json as a mapping.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from shipworthy.errors import ReplayError
from shipworthy.report.findings import Findings, Tally
from shipworthy.results import Result, from_line


class Gathered(NamedTuple):
    """What every report needs to know of all results before it writes the first."""

    tally: Tally
    findings: Findings


def gather(run_directory: Path) -> Gathered:
    """Read all results once."""
    gathered = Gathered(Tally(), Findings())
    for result in results(run_directory):
        gathered.tally.add(result)
        gathered.findings.add(result)
    return gathered


def results(run_directory: Path) -> Iterator[Result]:
    """Every whole line of results.jsonl; a last line that a killed run left half written is passed over."""
    path = run_directory / "results.jsonl"
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.endswith(b"\n"):
                    yield _result(path, number, line)
    except OSError as error:
        raise ReplayError.at(str(path), error.strerror or str(error)) from error


def _result(path: Path, number: int, line: bytes) -> Result:
    try:
        return from_line(line)
    except ValueError as error:
        raise ReplayError.at(f"{path}:{number}", str(error)) from error


def facts(run_directory: Path) -> dict[str, Any]:
    """run.json as it stands; a directory without one has no facts."""
    path = run_directory / "run.json"
    try:
        read = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ReplayError.at(str(path), str(error)) from error
    return read if isinstance(read, dict) else {}
