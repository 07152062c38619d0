"""Whatever a user's own check raises is one bounded line, an error of that check alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import lab
from selftest.scenarios.suite import ROOT, Run, suite

TESTS = """
import sys
import pytest
from shipworthy.checks import check


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")

    __repr__ = __str__


class Odd(Exception):
    def __str__(self):
        return 7


def raised(kind):
    match kind:
        case "huge": raise ValueError("y" * 10_000_000)
        case "mute": raise Mute()
        case "odd": raise Odd()
        case "lines": raise OSError("first\\nsecond\\nthird")
        case "empty": raise KeyError()
        case "surrogate": raise ValueError("half \\ud800 a character")
        case "deep": return raised(kind)
        case "group": raise ExceptionGroup("some", [ValueError("one"), Mute()])
        case "exits": sys.exit("leaving")
        case "claim": assert False, "z" * 1_000_000 + "\\n" + "evidence\\n" * 100_000


KINDS = ["huge", "mute", "odd", "lines", "empty", "surrogate", "deep", "group", "exits", "claim"]


@pytest.mark.parametrize("kind", KINDS)
def test_plain(host, kind):
    raised(kind)


@pytest.mark.parametrize("kind", KINDS)
@check("own.declared")
def test_declared(memory, kind):
    raised(kind)


@pytest.fixture
def broken():
    raise Mute()


def test_needs(host, broken):
    pass


@pytest.fixture
def untidy():
    yield
    raise Mute()


def test_leaves(host, untidy):
    pass


def test_is_well(host):
    assert host.run("true").succeeded
"""


@pytest.fixture(scope="module", params=["", "-vv --tb=long -l -rA"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("exceptions")
    (folder / "tests").mkdir()
    (folder / "tests" / "test_own.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    with lab(names=["db"]) as fleet:
        yield suite(fleet, *request.param.split(), cwd=folder, environment={"PYTHONPATH": str(ROOT)})


def test_each_is_told_and_breaks_nothing_else(run: Run) -> None:
    assert "INTERNALERROR" not in run.stdout
    assert run.status == 1
    assert len(run.results) == 23
    outcomes = {result.nodeid.rpartition("::")[2]: result.outcome for result in run.results}
    assert outcomes.pop("test_is_well[db]") == "passed"
    assert {outcomes.pop(f"test_{how}[db-claim]") for how in ("plain", "declared")} == {"failed"}
    assert set(outcomes.values()) == {"error"}


def test_its_message_is_one_bounded_line(run: Run) -> None:
    for result in run.results:
        assert len(result.message) < 2200
        assert "\n" not in result.message
        assert sum(map(len, result.evidence)) < 10_000
    declared = (result for result in run.results if result.test == "test_declared")
    told = {result.nodeid.rpartition("-")[2]: result.message for result in declared}
    assert told["huge]"].startswith("ValueError: yyyy")
    assert told["mute]"].startswith("Mute: (no message: its __str__ raised RuntimeError) (test_own.py:")
    assert told["odd]"].startswith("Odd: (no message: its __str__ raised TypeError) (test_own.py:")
    assert told["lines]"].startswith("OSError: first (test_own.py:")
    assert told["empty]"].startswith("KeyError (test_own.py:")
    assert told["claim]"].startswith("zzzz")


def test_what_is_shown_of_it_is_bounded(run: Run) -> None:
    assert len(run.stdout) < 300_000
    assert max(map(len, run.stdout.splitlines())) < 1500
    assert sum(path.stat().st_size for path in run.directory.rglob("*") if path.is_file()) < 1_000_000


def test_declared_checks_show_no_traceback(run: Run) -> None:
    assert "test_declared" not in run.stdout.partition("report: ")[2].partition("short test summary")[0]
