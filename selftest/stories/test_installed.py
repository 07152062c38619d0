"""The package holds all that a user needs, and nothing of the repository is in reach of it."""

from __future__ import annotations

from pathlib import Path

from selftest.stories.user import ROOT, Repository


def files(root: Path) -> set[str]:
    return {
        str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }


def test_every_file_of_the_package_is_installed(python: Path) -> None:
    """A package that is missing from pyproject.toml is missing where it is installed."""
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    ours = files(ROOT / "shipworthy") | {f"tests/{file}" for file in files(ROOT / "tests")}
    assert files(site / "shipworthy") == ours


def test_it_is_the_installed_one_that_runs(repository: Repository) -> None:
    ran = repository.run(
        "-c", "import shipworthy, shipworthy.tests; print(shipworthy.__file__, shipworthy.tests.__file__)"
    )
    assert ran.status == 0, ran
    assert all(path.startswith(str(repository.python.parents[1])) for path in ran.said.split())
    assert repository.run("-c", "import lab").status == 1
