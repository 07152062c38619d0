"""Rendering inside another pytest session's end: neither notices the other."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import pytest

from selftest.report import fleet
from shipworthy.errors import ReplayError
from shipworthy.report import html
from shipworthy.report.command import main, render
from shipworthy.report.page import Page

OUTER = """
import faulthandler, logging, os, signal, sys, warnings
from pathlib import Path
from shipworthy.report.command import render

def state():
    return (
        sorted(sys.meta_path, key=repr), sys.excepthook, sys.unraisablehook, sys.stdout, sys.stderr, os.getcwd(),
        dict(os.environ), list(sys.path), faulthandler.is_enabled(), logging.root.handlers[:], logging.root.level,
        signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), warnings.filters[:], sys.breakpointhook,
    )

def pytest_sessionfinish(session):
    before = state()
    render(Path(os.environ["RUN"]))
    for was, now in zip(before, state(), strict=True):
        assert was == now, (was, now)
"""


def outer_session(directory: Path, run: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    directory.mkdir()
    (directory / "conftest.py").write_text(OUTER)
    (directory / "test_two.py").write_text(
        textwrap.dedent("""
        import warnings
        def test_one(capsys, caplog, tmp_path):
            print("said")
            warnings.warn("mine")
        def test_two():
            print("said before failing")
            assert False
        """)
    )
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:shipworthy.plugin", "-p", "no:cacheprovider", *arguments, "."],
        cwd=directory,
        env={**os.environ, "RUN": str(run), "PYTEST_ADDOPTS": "--durations=1 --strict-markers", "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "arguments",
    [(), ("-s",), ("--capture=sys",), ("-p", "no:terminal"), ("--html=outer.html",), ("-n2",), ("-Werror",)],
)
def test_the_outer_session_is_left_as_it_was(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    run = fleet.stored(tmp_path / "run[x]::$HOME", fleet.small())
    ended = outer_session(tmp_path / "outer", run, *arguments)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert ended.stderr == ""
    if "no:terminal" not in arguments and "-Werror" not in arguments:
        assert "1 failed, 1 passed, 1 warning" in ended.stdout
        assert "pytest-html" not in ended.stdout
        assert "report.html" not in ended.stdout
    assert (run / "report.html").stat().st_size > 50_000
    assert (run / "junit.xml").exists()


def test_no_warning_and_no_word_comes_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        render(fleet.stored(tmp_path, fleet.small()))
    assert heard == []
    assert capfd.readouterr() == ("", "")


def test_a_page_that_cannot_be_drawn_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fleet.stored(tmp_path, fleet.small())
    (run / "report.html").write_text("old")

    def broken(*_: object) -> str:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(Page, "summary", broken)
    with pytest.raises(html.RenderError) as raised:
        html.render(run)
    assert str(raised.value.__cause__) == "broken on purpose"
    assert (run / "report.html").read_text() == "old"


def test_the_command_makes_both_again_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = fleet.stored(tmp_path / "run", fleet.small())
    assert main([str(run)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(run / "junit.xml"), str(run / "report.html")]


def test_a_directory_without_a_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 4
    assert "is no run's directory" in capsys.readouterr().err
    with pytest.raises(ReplayError):
        render(tmp_path)


def test_a_large_run_is_drawn_with_a_bounded_page(tmp_path: Path) -> None:
    run = fleet.stored(tmp_path, fleet.large(400, 40, every=2))
    render(run)
    page = (run / "report.html").read_text()
    assert page.count("col-testId") < 2_050
    assert page.count('scope="row"') < 210
    assert len(page) < 6_000_000
    assert "more are counted above and stand in results.jsonl" in page
