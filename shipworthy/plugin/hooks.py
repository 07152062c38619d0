"""The hooks of a session that is a run of Shipworthy's: from items to results, files and the last word.

In: pytest's events. Out: results.jsonl as it happens; at the end the other files, the terminal's summary, the status.
"""

from __future__ import annotations

from collections.abc import Generator
from contextvars import Token
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shipworthy.checks import CHECKS, check_id, subject_of
from shipworthy.errors import ShipworthyError, UsageError
from shipworthy.outcome import cut
from shipworthy.plugin import ending, fixtures, loop, subjects
from shipworthy.plugin.cases import case_of, is_of_nothing, mark
from shipworthy.plugin.inert import make_inert, said
from shipworthy.plugin.lasting import lasting
from shipworthy.plugin.named import disagreements
from shipworthy.plugin.progress import Progress
from shipworthy.plugin.result import is_observed, policies_of, result_of
from shipworthy.plugin.session import Run
from shipworthy.plugin.signals import Signals
from shipworthy.policy import ASKED, Verdict, Warned
from shipworthy.report.text import plural, terminal
from shipworthy.results import Result

_LETTERS = {
    "passed": ".",
    "warned": "w",
    "failed": "F",
    "error": "E",
    "skipped": "s",
    "waived": "v",
}
_PYTEST_OUTCOME = {"failed": "failed", "error": "failed", "skipped": "skipped"}


class Hooks:
    """Registered by `shipworthy.plugin` once inventory and policy are understood."""

    def __init__(self, config: pytest.Config, run: Run, signals: Signals) -> None:
        self._config = config
        self._run = run
        self._signals = signals
        self._progress = Progress(config)
        self._summing_up = False
        self._calling = False
        self._waiting: Result | None = None
        """The running item's result, until its teardown is over."""
        self._dropped: list[tuple[str, str]] = []
        """Checks of things that no policy names: the subject of the file, and of the policy."""
        self._broken_subtests: list[str] = []
        """What the subtests of the running test have said of themselves."""
        signals.answer = self._tell_who_is_pending
        self._reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
        self._counted: dict[str, pytest.TestReport] = {}
        """By outcome, the report that stands for all of our own in the terminal's books."""

    def _tell_who_is_pending(self) -> None:
        self._progress.tell(self._run.collector.pending() if self._run.collector else ["no host has been asked yet"])

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        """Our own checks are about to be collected."""
        if isinstance(collector, pytest.Directory) and collector.path == CHECKS:
            fixtures.provide_to(collector)

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """`-m memory or cpu`: the other subjects' files would be read for nothing, and an engineer waits."""
        wanted = subjects.wanted(self._config)
        ours = collection_path.parent == CHECKS and collection_path.name.startswith("test_")
        return True if wanted and ours and subject_of(collection_path) not in wanted else None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        """Items last: see `lasting`."""
        with lasting():
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_pycollect_makeitem(self) -> Generator[None, Any, Any]:
        """A check of things that no policy names is not there."""
        made = yield
        if not isinstance(made, list):
            return made
        for item in filter(is_of_nothing, made):
            self._dropped.append((subject_of(item.path), (check_id(item.obj) or "").partition(".")[0]))
        return [item for item in made if not is_of_nothing(item)]

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None]:
        """Before selection: subjects as marks. After it: what is left is what this run is asked."""
        for item in items:
            mark(item)
        self._run.notices += subjects.unnamed(self._config, items, self._dropped)
        try:
            yield
        except pytest.UsageError as error:
            raise subjects.meant(error, self._config) from None
        self._run.selected = len(items)
        self._run.notices += ending.ambiguous_keyword(self._config.option.keyword, self._run, items)
        once = [case for item in items if (case := case_of(item)).once and not case.of_fleet]
        self._run.notices += disagreements(self._run.policies, once)

    def pytest_report_collectionfinish(self) -> list[str]:
        """Whom this run will ask, and by which policy."""
        if self._config.get_verbosity() < 0:
            return []
        hosts = plural(len(self._run.hosts), "host")
        by = ", ".join(self._run.policy_files) or "the defaults"
        return [terminal(self._run.redact(f"{hosts} of {', '.join(self._run.inventory.sources)}, judged by {by}"))]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Ask the hosts and run their checks; pytest's own loop remains for `--collect-only` and broken collections."""
        if session.config.option.collectonly or (
            session.testsfailed and not session.config.option.continue_on_collection_errors
        ):
            return None
        try:
            ending.begin(self._run, self._config)
        except UsageError as error:
            raise said(error) from error
        try:
            with self._signals.deferred():
                loop.run_items(session, self._run, self._progress, self._signals)
        finally:
            self._progress.end()
            if self._run.measuring:
                self._run.measuring.close()
            if self._run.collector:
                self._run.collector.close()
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, Any, Any]:
        """Each check's verdicts are its own."""
        token: Token[list[Verdict | Warned] | None] = ASKED.set([])
        try:
            return (yield)
        finally:
            ASKED.reset(token)

    @pytest.hookimpl(wrapper=True, trylast=True, specname="pytest_runtest_setup")
    def pytest_interruptible_setup(self) -> Generator[None]:
        """Anybody's code, which may take its time."""
        with self._signals.heeded():
            yield

    @pytest.hookimpl(wrapper=True, trylast=True, specname="pytest_runtest_call")
    def pytest_interruptible_call(self) -> Generator[None]:
        """As above. What is reported meanwhile are subtests."""
        self._broken_subtests, self._calling = [], True
        try:
            with self._signals.heeded():
                yield
        finally:
            self._calling = False

    @pytest.hookimpl(wrapper=True, trylast=True, specname="pytest_runtest_teardown")
    def pytest_interruptible_teardown(self) -> Generator[None]:
        """As above."""
        with self._signals.heeded():
            yield

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """A check that policy turns off on this host says why, and asks nothing."""
        case = case_of(item)
        if case.host is not None and (reason := self._run.policies[case.host].off.get(case.check)):
            pytest.skip(f"off: {reason}")
        if (case.of_fleet or case.once) and not policies_of(self._run, case):
            pytest.skip("off on every host that names it" if case.once else "off on every host")

    @pytest.hookimpl(specname="pytest_runtest_makereport", tryfirst=True)
    def pytest_report_without_traceback(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> pytest.TestReport | None:
        """pytest would render a traceback, for some milliseconds, that nobody is shown (`_longrepr`)."""
        if call.excinfo is None or call.excinfo.errisinstance(pytest.skip.Exception):
            return None
        if (call.when != "setup" and call.when != "call") or not _speaks_for_itself(item, call):
            return None
        return pytest.TestReport(
            nodeid=item.nodeid,
            location=item.location,
            keywords=dict.fromkeys(item.keywords, 1),
            outcome="failed",
            longrepr=None,
            when=call.when,
            sections=[(f"Captured {key} {when}", content) for when, key, content in item._report_sections],
            duration=call.duration,
            start=call.start,
            stop=call.stop,
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Decide the outcome, once an item, and write it down when the item is over."""
        report = yield
        if self._calling:
            self._broken_subtests += [call.excinfo.exconly()] if call.excinfo and report.failed else []
        elif call.when == "call" or (call.when == "setup" and call.excinfo is not None):
            self._waiting = result = result_of(self._run, item, call, report, self._broken_subtests)
            report.outcome = _PYTEST_OUTCOME.get(result.outcome, "passed")  # type: ignore[assignment]
            report.shipworthy = result  # type: ignore[attr-defined]
            report.shipworthy_told = told = _speaks_for_itself(item, call)  # type: ignore[attr-defined]
            if told or not report.longrepr:
                report.longrepr = _longrepr(result)
        if call.when == "teardown" and self._waiting:
            self._run.horizon.settle(self._waiting, observed=is_observed(self._run, case_of(item)))
            self._record(self._waiting, call)
            self._waiting = None
        make_inert(report, self._run.redact)
        return report

    def _record(self, result: Result, teardown: pytest.CallInfo[None]) -> None:
        """Write the item's one result down, now that nothing can change it any more."""
        if teardown.excinfo and result.outcome != "failed":
            message = self._run.redact(f"in its teardown: {cut(teardown.excinfo.exconly())}")
            result = replace(result, outcome="error", message=" ".join(message.split()))
        self._run.record(result)
        if result.host and result.outcome in {"failed", "error"}:
            self._progress.failed_hosts.add(result.host)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Our six outcomes in pytest's counts; on a quiet terminal the progress line stands for the letters."""
        result: Result | None = getattr(report, "shipworthy", None)
        if result is None:
            return None
        category: str = result.outcome
        word = category.upper()
        if hasattr(report, "wasxfail"):
            category, word = ("xfailed", "XFAIL") if report.skipped else ("xpassed", "XPASS")
        if self._config.get_verbosity() <= 0 and not self._summing_up:
            return category, "", ""
        return category, _LETTERS[result.outcome], word

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """pytest's terminal keeps each report, three an item, for sections that ours are left out of: it keeps one."""
        result: Result | None = getattr(report, "shipworthy", None)
        books = self._reporter.stats if self._reporter else {}
        kept = books.get(result.outcome if result else "")
        if not kept or kept[-1] is not report or report.sections:
            return
        if result is None:
            kept.pop()  # a setup or a teardown that passed: nothing counts them
        elif getattr(report, "shipworthy_told", False):
            kept[-1] = self._counted.setdefault(result.outcome, report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write what is written at the end, and decide the exit status."""
        self._signals.ignore()
        session.exitstatus = ending.status(self._run, session, exitstatus)
        ending.finish(self._run, session)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """Our findings first; pytest's own sections are left for tests that are not ours."""
        self._summing_up = True
        ending.tell(self._run, terminalreporter)
        with ending.without_told(terminalreporter):
            yield


def _speaks_for_itself(item: pytest.Item, call: pytest.CallInfo[None]) -> bool:
    """Whether our own lines tell all there is to tell, also of a user's plain test that could not be measured."""
    return case_of(item).declared or (call.excinfo is not None and call.excinfo.errisinstance(ShipworthyError))


def _longrepr(result: Result) -> Any:
    """What other plugins show of the check: its message, never a traceback of ours."""
    match result.outcome:
        case "failed" | "error":
            return "\n".join([result.message, *result.evidence])
        case "skipped":
            return (result.nodeid.partition("::")[0], None, f"Skipped: {result.message}")
        case _:
            return None
