"""What a run says and writes besides its results: at its beginning, at its end, and on the terminal.

In: a `Run`. Out: run.json, the reports made from results.jsonl, the summary, the exit status.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from shipworthy import __version__
from shipworthy.errors import ShipworthyError
from shipworthy.plugin import addresses, here
from shipworthy.plugin.cases import Case, case_of
from shipworthy.plugin.session import Files, Run
from shipworthy.policy.language import waivers
from shipworthy.report import terminal, text
from shipworthy.report.run import RunFacts, Status, stamp, who
from shipworthy.results import OUTCOMES

NOT_MEASURED = 6
"""Exit status when nothing failed, but something could not be measured."""

_CREDENTIALS = re.compile(r"([^/@,\s:=]:)[^/@,\s]+@")
"""`deploy:password@` in a specification of --hosts."""

_VERSIONS = ("pytest", "paramiko", "ansible-core", "pydantic", "cryptography")


def begin(run: Run, config: pytest.Config) -> None:
    """Make the run's directory and say in run.json what is about to be done.

    Raises UsageError, before anything is written, when there is nothing to be done it with.
    """
    run.refuse_damaged()
    here.read_back(run)
    run.files = Files.create(run.options.reports, run.started)
    run.facts = RunFacts(
        run=run.name,
        started=stamp(run.started),
        by=who(),
        arguments=tuple(_shown(str(argument), run) for argument in config.invocation_params.args),
        inventories=run.inventory.sources,
        policies=run.policy_files,
        limit=run.options.limit,
        hosts=tuple(run.hosts),
        selected=run.selected,
        notices=run.redact.data(tuple(run.notices)),
        replay_of=run.options.replay.resolve().name if run.options.replay else None,
        commit=_commit(config),
        versions={"shipworthy": __version__, "python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _VERSIONS},
        details={"at": stamp(run.at), **run.policies_as_data()},
    )
    with run.files.writing() as files:
        files.directory.write_facts(run.facts)
        files.log.event("info", "run started", hosts=len(run.hosts), checks=run.selected)


def make_ready() -> None:
    """Load what draws the reports, which takes as long as drawing a small one."""
    _reports().make_ready()


def status(run: Run, session: pytest.Session, exitstatus: int) -> int:
    """The exit status: pytest's own, but that what could not be measured is told from what failed."""
    if exitstatus not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        return exitstatus
    # pytest counts our errors among its failures; what it counts beyond them failed outside of any check.
    if run.counts["failed"] or session.testsfailed > run.counts["failed"] + run.counts["error"]:
        return pytest.ExitCode.TESTS_FAILED
    if run.options.fail_on_warning and run.counts["warned"]:
        return pytest.ExitCode.TESTS_FAILED
    left = run.files is not None and run.counts.total() < run.selected  # not run, as with --setup-plan: not known
    unknown = run.counts["error"] or left
    return NOT_MEASURED if unknown else exitstatus


def finish(run: Run, session: pytest.Session) -> None:
    """Close the books: who did not run, how it ended, and every report."""
    if run.files is None or run.facts is None:
        return
    if run.counts.total() < run.selected:
        run.not_run = [case for item in session.items if (case := case_of(item)).nodeid not in run.finished]
    if run.collector:
        run.notices += run.collector.notices()
    run.notices += run.questions.notices()
    run.notices += run.horizon.notices(failed=bool(run.counts["failed"]))
    run.notices += addresses.notices(run.unresolved, run.options)
    if run.policy:
        run.notices += waivers.notices(run.policy.waivers, run.used_waivers, run.judged_checks, run.at.date())
    with run.files.writing() as files:
        files.log.event("info", "run ended", counts=dict(run.counts), exit_status=int(session.exitstatus))
    run.files.close()
    _write_last(run, run.facts, int(session.exitstatus))
    if run.files.unwritten:
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
        _write_last(run, run.facts, pytest.ExitCode.INTERNAL_ERROR)


def _write_last(run: Run, facts: RunFacts, exit_status: int) -> None:
    """run.json as it ended, and every report."""
    assert run.files is not None
    now = datetime.now(UTC)
    run.facts = replace(
        facts,
        status=_how(run, exit_status),
        finished=stamp(now),
        seconds=round((now - run.started).total_seconds(), 3),
        not_run=tuple(case.nodeid for case in run.not_run),
        notices=run.redact.data(tuple(run.notices)),
        counts={outcome: run.counts[outcome] for outcome in OUTCOMES},
        exit_status=exit_status,
    )
    with run.files.writing() as files:
        files.directory.write_facts(run.facts)
        try:
            _reports().render(files.directory.path)
        except ShipworthyError as error:
            files.unwritten = files.unwritten or str(error)
        if problem := files.directory.point_latest():
            run.notices.append(problem)


def tell(run: Run, reporter: pytest.TerminalReporter) -> None:
    """Findings, notices, the sums, and where the report is."""
    if run.files is None:
        return
    reporter.ensure_newline()
    for line in terminal.findings(run.results, len(run.hosts)):
        _write(reporter, line)
    for notice in run.notices:
        reporter.write_line(f"note: {text.terminal(run.redact(notice))}")
    seconds = run.facts.seconds if run.facts and run.facts.seconds else 0.0
    if run.not_run:
        hosts = Counter(_whose(case) for case in run.not_run)
        reporter.write_line(terminal.not_run(hosts), yellow=True)
    _write(reporter, terminal.summary(run.counts, len(run.hosts), seconds, len(run.not_run)))
    if run.files.unwritten:
        why = text.terminal(run.files.unwritten)
        reporter.write_line(f"error: the files of this run are incomplete: {why}", red=True)
    if (report := run.files.directory.path / "report.html").exists():
        reporter.write_line(f"report: {text.terminal(str(report))}")


@contextmanager
def without_told(reporter: pytest.TerminalReporter) -> Iterator[None]:
    """For the time of pytest's own sections, take out of its books what our own lines have told already."""
    kept: dict[str, list[Any]] = {outcome: reporter.stats.get(outcome, []) for outcome in OUTCOMES}
    for outcome, reports in kept.items():
        reporter.stats[outcome] = [report for report in reports if not _told(report)]
    try:
        yield
    finally:
        reporter.stats.update(kept)


def ambiguous_keyword(keyword: str, run: Run, items: list[pytest.Item]) -> list[str]:
    """`-k dns` also takes a host called dns1: say so when that happens."""
    word = keyword.strip().lower()
    hosts = [name for name in run.hosts if word and word in name.lower()]
    if not hosts or all(case_of(item).subject != word for item in items):
        return []
    return [f"-k {word} also takes every check of {text.some(hosts)}; -m {word} takes the subject alone"]


def _reports() -> ModuleType:
    from shipworthy.report import command

    return command


def _write(reporter: pytest.TerminalReporter, line: terminal.Line) -> None:
    reporter.write_line(line.text, **({line.style: True} if line.style else {}))


def _whose(case: Case) -> str:
    return case.host or (case.once.name if case.once else "all hosts" if case.of_fleet else "no host")


def _told(report: Any) -> bool:
    return getattr(report, "shipworthy_told", False)


def _shown(argument: str, run: Run) -> str:
    """`argument` without a password: one of the inventory's, or of a host's specification, however it is written."""
    return _CREDENTIALS.sub(r"\1********@", run.redact(argument)) if run.options.hosts else run.redact(argument)


def _how(run: Run, exit_status: int) -> Status:
    """Whether all was done that was asked."""
    if exit_status == pytest.ExitCode.INTERNAL_ERROR:
        return "broken"
    return "interrupted" if run.not_run or exit_status == pytest.ExitCode.INTERRUPTED else "finished"


def _commit(config: pytest.Config) -> str | None:
    """The commit of the repository that holds inventory and policy, so that a run can be traced to its text."""
    git = shutil.which("git")
    if not git or not (config.rootpath / ".git").exists():
        return None
    command = [git, "-C", str(config.rootpath), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    return done.stdout.strip() or None
