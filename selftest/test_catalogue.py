"""docs/checks.md: current, whole, and true about the lab's faults, which it reads without running them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from lab import faults
from shipworthy import catalogue
from shipworthy.checks import Described
from shipworthy.checks import catalogue as checks_in
from shipworthy.policy.language.subjects import discover

HERE = Path(__file__).parents[1]
OUTCOMES = {"failed", "warned"}


def declared() -> Iterator[tuple[str, str, str]]:
    """(check, fault, outcome) of every fault, as the lab itself has it; of what makes all else unknown, that alone."""
    for found in iter_modules(faults.__path__):
        for name, value in vars(import_module(f"{faults.__name__}.{found.name}")).items():
            if callable(getattr(value, "turns", None)):
                turns = value.turns()
                whole = turns.keys().isdisjoint(catalogue.TELLS.values())
                yield from ((check, name, how) for check, how in turns.items() if whole or how in OUTCOMES)


def test_it_is_current() -> None:
    command = [sys.executable, "-m", "shipworthy", "checks"]
    made = subprocess.run(command, capture_output=True, text=True, check=True, cwd=HERE, timeout=60).stdout
    again = "make it anew: python -m shipworthy checks > docs/checks.md"
    assert (HERE / "docs/checks.md").read_text() == made, again


def test_it_knows_the_faults_as_the_lab_does() -> None:
    read = {
        (check, proof.fault, proof.outcome)
        for check, all in catalogue.proofs(catalogue.FAULTS).items()
        for proof in all
    }
    assert read == set(declared())


@pytest.mark.parametrize("check", checks_in([HERE / "tests"]))
def test_every_check_was_seen_to_turn(check: str) -> None:
    assert catalogue.proofs(catalogue.FAULTS).get(check)


@pytest.mark.parametrize("check", checks_in([HERE / "tests"]).values(), ids=lambda check: str(check.id))
def test_every_check_says_why_and_where_to_look(check: Described) -> None:
    assert check.claim.endswith(".")
    assert check.why.endswith(".")
    assert check.look.endswith(".")


def test_what_prepares_files_says_so() -> None:
    kinds = {proof.fault: proof.prepared for all in catalogue.proofs(catalogue.FAULTS).values() for proof in all}
    assert kinds["swap_in_use"]
    assert kinds["memory_pressure"]
    assert not kinds["real_swap_in_use"]
    assert not kinds["refused"]


def test_where_there_is_no_lab_nothing_is_said_of_it(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        'from shipworthy.checks import check\n@check("mine.claim")\ndef test_it(host):\n    """It holds."""\n'
    )
    mine = checks_in([tmp_path]).values()
    told = catalogue.page(mine, discover(), None)
    assert "### mine.claim\n\nIt holds.\n" in told
    assert "roved" not in told
    assert "no fault of the lab" in catalogue.page(mine, discover(), {})
