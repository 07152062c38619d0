"""`python -m shipworthy report DIR`: every format of a stored run, made again from its results.jsonl.

In: a run's directory. Out: report.html and junit.xml in it. At the end of a run the plugin calls `render` itself.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from shipworthy.errors import ReplayError, ShipworthyError
from shipworthy.report import html, junit, page, stored
from shipworthy.report.text import terminal


def render(run_directory: Path) -> list[Path]:
    """Write junit.xml, on which pipelines wait, then report.html; the results are held by neither."""
    if not (run_directory / "results.jsonl").is_file():
        raise ReplayError.at(str(run_directory), "is no run's directory: it has no results.jsonl")
    gathered = stored.gather(run_directory)
    return [junit.render(run_directory, gathered), html.render(run_directory, gathered)]


def make_ready() -> None:
    """Do what `render` would begin with, whatever the results: its modules are loaded, its templates compiled."""
    page.make_ready()


HELP = "make a stored run's reports again"


def main(argv: Sequence[str] | None = None, program: str = "python -m shipworthy report") -> int:
    """The command: exit 0, or 4 when the directory holds no run, 3 when a page could not be drawn."""
    parser = argparse.ArgumentParser(prog=program, description="Make a stored run's reports again.")
    parser.add_argument("directory", type=Path, help="the run's directory, such as reports/latest")
    try:
        paths = render(parser.parse_args(argv).directory)
    except ReplayError as error:
        return _refuse(str(error), 4)
    except (ShipworthyError, OSError) as error:
        return _refuse(str(error), 3)
    for path in paths:
        sys.stdout.write(f"{terminal(str(path))}\n")
    return 0


def _refuse(reason: str, status: int) -> int:
    sys.stderr.write(f"{terminal(reason)}\n")
    return status
