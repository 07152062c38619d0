"""report.html: drawn by pytest-html, to which stored findings are given as pytest items in a session of its own.

In: a run's directory. Out: one self-contained page. The inner session knows no plugin but pytest-html and this one,
writes nothing to the terminal, and leaves the process as it was: it may run inside another session's end.

pytest-html 4.2 inserts cells and node ids unescaped and drops rows whose result it does not know. So every cell here
is ours and escaped (`page.py`), node ids are `row7`, and pytest-html's own result stands in a hidden column.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from pytest_html import extras  # type: ignore[import-untyped]

from shipworthy.errors import ShipworthyError
from shipworthy.report import page, stored
from shipworthy.report.findings import Finding
from shipworthy.report.run import replace_file
from shipworthy.report.stored import Gathered

_LEFT_OUT = (
    *("terminal", "debugging", "unittest", "capture", "skipping", "legacypath", "tmpdir", "monkeypatch", "recwarn"),
    *("pastebin", "assertion", "junitxml", "doctest", "cacheprovider", "setuponly", "setupplan", "stepwise"),
    *("unraisableexception", "threadexception", "warnings", "logging", "faulthandler", "subtests"),
)
"""pytest's own plugins that the inner session does without: several change the process (hooks, descriptors)."""


_PHASES: tuple[Literal["call", "teardown"], ...] = ("call", "teardown")
"""pytest-html draws what was called once it was torn down."""


class RenderError(ShipworthyError):
    """pytest-html did not draw the page."""


def render(run_directory: Path, gathered: Gathered | None = None) -> Path:
    """Write report.html beside results.jsonl, and say where; `gathered` spares reading the results again."""
    tally, findings = gathered or stored.gather(run_directory)
    told = findings.told()
    content = page.Page(stored.facts(run_directory), tally, told, findings.left_out)
    path = run_directory / "report.html"
    replace_file(path, _sealed(_drawn(content, run_directory)).encode("utf-8", "replace"))
    return path


def _drawn(content: page.Page, run_directory: Path) -> str:
    """The page as pytest-html writes it."""
    plugin = _Stored(content, run_directory / "results.jsonl")
    with tempfile.TemporaryDirectory(prefix="shipworthy-") as scratch, _quiet():
        drawn = Path(scratch) / "report.html"
        arguments = [
            "--disable-plugin-autoload",
            "--noconftest",
            f"-c{page.ASSETS / 'pytest.ini'}",
            *(f"-pno:{name}" for name in _LEFT_OUT),
            "-ppytest_metadata.plugin",
            "-ppytest_html.plugin",
            f"--html={drawn}",
            "--self-contained-html",
            f"--css={page.ASSETS / 'page.css'}",
        ]
        _run(arguments, plugin)
        if not drawn.exists():
            raise RenderError("pytest-html left no page")
        return drawn.read_text("utf-8")


def _run(arguments: list[str], plugin: _Stored) -> None:
    try:
        status = pytest.main(arguments, plugins=[plugin])
    except Exception as error:  # pytest does not catch what is raised while a session ends
        raise RenderError(f"pytest-html did not draw the page: {error!r}") from error
    if plugin.broken:
        raise RenderError(f"pytest-html did not draw the page: {plugin.broken!r}") from plugin.broken
    if status == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt


@contextmanager
def _quiet() -> Iterator[None]:
    """What is meant for the outer session, its options and its plugins, does not reach the inner one."""
    meant_for_outer = {name: os.environ.pop(name, None) for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.environ.update({name: value for name, value in meant_for_outer.items() if value is not None})


class _Row(pytest.Item):
    """One finding as pytest's item."""

    finding: Finding
    number: int

    def runtest(self) -> None:
        """Nothing: it ran already, elsewhere."""

    def reports(self) -> Iterator[pytest.TestReport]:
        for when in _PHASES:
            report = pytest.TestReport(
                nodeid=f"row{self.number}",
                location=("results.jsonl", self.number, self.name),
                keywords={},
                outcome="passed",
                longrepr=None,
                when=when,
            )
            report.row = self  # type: ignore[attr-defined]
            yield report


class _Results(pytest.File):
    """results.jsonl as pytest's collector; what was read of it is told, not read again."""

    told: Iterable[Finding]

    def collect(self) -> Iterator[_Row]:
        for number, finding in enumerate(self.told):
            row: _Row = _Row.from_parent(self, name=f"row{number}")
            row.finding, row.number = finding, number
            yield row


class _Stored:
    """Re-emits findings and gives pytest-html what it is to draw around them."""

    def __init__(self, content: page.Page, results: Path) -> None:
        self._page = content
        self._results = results
        self.broken: BaseException | None = None

    # tryfirst: pytest's own collection would take results.jsonl's path apart (`[`, `::`) as if it were a node id.
    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool:
        collector: _Results = _Results.from_parent(session, path=self._results)
        collector.told = self._page.findings
        session.items = list(collector.collect())
        session.testscollected = len(session.items)
        session.config.hook.pytest_collection_finish(session=session)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: _Row) -> bool:
        for report in item.reports():
            if report.when == "call":
                details = self._page.details(item.finding)
                report.extras = [extras.html(details)]  # type: ignore[attr-defined]
            item.config.hook.pytest_runtest_logreport(report=report)
        return True

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
        self.broken = excinfo.value
        return True

    def pytest_metadata(self, metadata: dict[str, str]) -> None:
        metadata.clear()  # pytest-metadata takes variables of CI systems along: not ours to publish
        metadata.update(self._page.environment())

    def pytest_html_report_title(self, report: Any) -> None:
        report.title = self._page.title

    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        prefix.append(self._page.summary())
        prefix.append(f"<script>{page.script()}</script>")

    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        cells[:] = page.HEADER

    def pytest_html_results_table_row(self, report: Any, cells: list[str]) -> None:
        row: _Row = report.row
        cells[:] = self._page.cells(row.finding, row.number)

    def pytest_html_results_table_html(self, data: list[str]) -> None:
        data.clear()  # "No log output captured."


def _sealed(drawn: str) -> str:
    """The page with a policy that lets only the two scripts and the style sheet run that are meant to."""
    drawn = drawn.replace(' onclick="location.reload()"', "", 1)
    drawn = drawn.replace(str(page.ASSETS) + os.sep, "", 1)  # pytest-html notes where the style sheet came from
    style = _between(drawn, '<style type="text/css">', "</style>")
    # pytest-html's own script is the last thing of its page, after all data: nothing inserted can stand behind it.
    theirs = _between(drawn[drawn.rindex("<script>") :], "<script>", "</script>")
    scripts = f"script-src {_digest(page.script())} {_digest(theirs)}"
    policy = f"default-src 'none'; {scripts}; style-src {_digest(style)}; img-src data:; base-uri 'none'"
    head = (
        f'<meta charset="utf-8"/><meta http-equiv="Content-Security-Policy" content="{policy}; form-action \'none\'"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        '<meta name="color-scheme" content="light dark"/><meta name="referrer" content="no-referrer"/>'
    )
    before, charset, after = drawn.partition('<meta charset="utf-8"/>')
    if not charset:
        raise RenderError("pytest-html's page is not as expected: it has no place for a content-security policy")
    return before.replace("<html>", '<html lang="en">') + head + after


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
