"""What the report's page says: headline, counts, fleet matrix, rows and their details, as escaped HTML.

In: facts, tally and findings. Out: pieces of HTML for `html.py` to hand to pytest-html. Every value that a template
prints passes `text.visible` and HTML escaping; nothing is marked as safe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader

from shipworthy.report.findings import WORST_FIRST, Finding, Tally, counts_in_words, worst
from shipworthy.report.measures import bounds, quantity
from shipworthy.report.text import duration, html, plural, some, visible
from shipworthy.results import Outcome

ASSETS = Path(__file__).with_name("page_assets")
NO_HOST = "no single host"  # whose results are those of a set of hosts, or of a thing that several name
HOSTS_SHOWN = 200
"""Rows of the matrix. A fleet of more hosts shows those with something to say; the rest is counted in one row."""

GLYPHS: Mapping[Outcome, str] = {
    "passed": "✓",
    "warned": "▲",
    "failed": "✕",
    "error": "!",
    "skipped": "–",
    "waived": "◇",
}

HEADLINES: Mapping[int | None, tuple[str, str]] = {
    None: ("Not finished", "The run is still going, or it was killed: this is what it had found by then."),
    0: ("Within policy", "Every check that ran is within its limits."),
    1: ("Not within policy", ""),
    2: ("Interrupted", "The run was stopped: this is what it had found by then."),
    3: ("Internal error", "Shipworthy broke; run.log says where."),
    4: ("Not understood", "Inventory, policy or an option was not understood."),
    5: ("Nothing selected", "No check was selected, so nothing was judged."),
    6: ("Not all measured", "No check failed, but some could not be measured. Unknown is never a pass."),
}

HEADER = [
    '<th hidden data-column-type="testId" class="sortable">Row</th>',
    '<th hidden data-column-type="result" class="sortable">Result</th>',
    '<th class="sortable" data-column-type="outcome">Outcome</th>',
    '<th class="sortable" data-column-type="where">Where</th>',
    '<th class="sortable" data-column-type="check">Check</th>',
    "<th>Finding</th>",
]
"""pytest-html wants `testId` and `result`; it drops rows whose `result` is no word of its own: both are hidden."""


class Cell(NamedTuple):
    """One cell of the matrix: the worst outcome, how many checks have it, of how many; `words` tells all."""

    subject: str
    outcome: Outcome
    checks: int
    total: int
    words: str


class HostRow(NamedTuple):
    """One row of the matrix; `number` is what rows of the table refer to."""

    number: int
    name: str
    outcome: Outcome
    cells: list[Cell | None]


@cache
def script() -> str:
    """Our part of the page's behaviour: filters from the counts and the matrix, and the keyboard."""
    return (ASSETS / "page.js").read_text("utf-8")


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(ASSETS), autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_printable
    )


def make_ready() -> None:
    """Compile the templates, which only depend on their files."""
    for name in ("summary.html", "details.html"):
        _templates().get_template(name)


def _printable(value: object) -> object:
    return visible(value) if type(value) is str else value


class Page:
    """The pieces of one run's page."""

    def __init__(
        self, facts: Mapping[str, Any], tally: Tally, findings: list[Finding], left_out: Mapping[Outcome, int]
    ) -> None:
        self.facts = facts
        self.tally = tally
        self.findings = findings
        self.left_out = left_out
        self._details = _templates().get_template("details.html")

    @cached_property
    def _numbers(self) -> dict[str | None, int]:
        return {host: number for number, host in enumerate(self.tally.matrix)}

    @property
    def _name(self) -> str:
        """What was looked at, in a word: the inventories' names."""
        names = [Path(name).stem or name for name in self.facts.get("inventories") or ()]
        return ", ".join(names[:3]) or "run"

    @property
    def title(self) -> str:
        """The tab's title, which stands above the page as well."""
        return visible(f"Shipworthy · {self._name}", 200)

    @property
    def _status(self) -> int | None:
        """The exit status, unless what stands in the results contradicts it: then what follows from these."""
        status: int | None = self.facts.get("exit_status")
        if status in (0, 5, 6) and self.tally.counts["failed"]:
            return 1
        return 6 if status == 0 and self.tally.counts["error"] else status

    def summary(self) -> str:
        """Everything above the rows."""
        status = self._status
        headline, meaning = HEADLINES.get(status, HEADLINES[3])
        if status == 0 and self.tally.counts["warned"]:
            meaning = "No check failed; some warn."
        elif status == 1:
            meaning = _failures(self.tally.counts)
        rows, rest = self.matrix()
        return (
            _templates()
            .get_template("summary.html")
            .render(
                page=self,
                facts=self.facts,
                headline=headline,
                meaning=meaning,
                mood=_mood(status, self.tally.counts),
                facts_line=list(self._facts_line()),
                counts=counts_in_words(self.tally.counts),
                total=self.tally.total,
                glyphs=GLYPHS,
                subjects=self.tally.subjects,
                rows=rows,
                rest=rest,
                totals=_row(-1, "all hosts", self.tally.matrix.values(), self.tally.subjects),
                left_out=", ".join(words for _, words in counts_in_words(self.left_out)),
                not_run=list(self.facts.get("not_run") or ()),
            )
        )

    def _facts_line(self) -> Iterable[tuple[str, str]]:
        yield "When", _moment(self.facts.get("started"))
        if (seconds := self.facts.get("seconds")) is not None:
            yield "Took", duration(seconds)
        yield "Hosts", plural(len(self.facts.get("hosts") or self._hosts), "host")
        if limit := self.facts.get("limit"):
            yield "Limited to", str(limit)
        yield "Inventory", ", ".join(self.facts.get("inventories") or ["none"])
        yield "Policy", ", ".join(self.facts.get("policies") or ["baseline"])
        if replayed := self.facts.get("replay_of"):
            yield "Replay of", str(replayed)
        yield "By", str(self.facts.get("by") or "unknown")

    @property
    def _hosts(self) -> list[str]:
        return [host for host in self.tally.matrix if host is not None]

    def environment(self) -> dict[str, str]:
        """What pytest-html shows as the environment; it inserts values as HTML."""
        facts = self.facts
        rows = {
            "Run": facts.get("run"),
            "Started": facts.get("started"),
            "Finished": facts.get("finished"),
            "Arguments": " ".join(facts.get("arguments") or ()),
            "Commit": facts.get("commit"),
            "Seed": facts.get("seed"),
            "Exit status": facts.get("exit_status"),
            **{str(name): version for name, version in (facts.get("versions") or {}).items()},
        }
        return {visible(name, 80): html(str(value)) for name, value in rows.items() if value not in (None, "")}

    def matrix(self) -> tuple[list[HostRow], HostRow | None]:
        """The hosts to show, worst first, and one row for all others."""
        subjects = self.tally.subjects
        rows = [
            _row(number, NO_HOST if host is None else host, [self.tally.matrix[host]], subjects)
            for host, number in self._numbers.items()
        ]
        rows.sort(key=lambda row: WORST_FIRST.index(row.outcome))
        if len(rows) <= 50:
            return rows, None
        shown = [row for row in rows if row.outcome not in ("passed", "skipped")][:HOSTS_SHOWN]
        numbers = {row.number for row in shown}
        others = [self.tally.matrix[host] for host, number in self._numbers.items() if number not in numbers]
        return shown, _row(-1, f"{plural(len(others), 'more host')}", others, subjects) if others else None

    def cells(self, finding: Finding, number: int) -> list[str]:
        """One row of pytest-html's table; each cell on one line, for it reads them line by line."""
        outcome = finding.outcome
        hosts: Iterable[str | None] = finding.hosts or [None]
        numbers = " ".join(str(self._numbers[host]) for host in hosts)
        subjects = " ".join(sorted({check.partition(".")[0] for check in finding.checks}))
        about = f'data-outcome="{outcome}" data-hosts="{numbers}" data-subjects="{html(subjects)}"'
        rank = WORST_FIRST.index(outcome)
        check = finding.checks[0] if len(finding.checks) == 1 else plural(len(finding.checks), "check")
        items = f"<small>{html(some(finding.named), 200)}</small>" if finding.named else ""
        message = html(finding.message or "no message", 500) + (
            f" <small>So {plural(finding.also, 'other check')} of this host could not be measured.</small>"
            if finding.also
            else ""
        )
        if finding.first.note:
            message += f" <small>{html(finding.first.note, 300)}</small>"
        mark = f'<i hidden>{rank}</i><span class="mark {outcome}">{GLYPHS[outcome]} {outcome}</span>'
        return [
            f'<td hidden class="col-testId" {about}>row{number}</td>',
            '<td hidden class="col-result">Passed</td>',
            f'<td class="col-outcome">{mark}</td>',
            f'<td class="col-where">{html(self._where(finding), 120)}</td>',
            f'<td class="col-check">{html(check, 120)}{items}</td>',
            f'<td class="col-message">{message}</td>',
        ]

    def _where(self, finding: Finding) -> str:
        if len(finding.hosts) > 1:
            return f"{len(finding.hosts):,} of {plural(max(len(self._hosts), len(finding.hosts)), 'host')}"
        return finding.hosts[0] if finding.hosts else NO_HOST

    def details(self, finding: Finding) -> str:
        """What a row opens on: evidence, measures, Why, Look, hosts, node id."""
        main = {
            "evidence": _evidence(finding),
            "measures": _measures(finding),
            "hosts": finding.hosts if len(finding.hosts) > 1 else [],
            "checks": finding.checks if finding.is_folded else [],
            "items": finding.named if finding.is_folded or len(finding.named) > 1 else [],
        }
        has_main = any(main.values()) or len(finding.message) > 500
        return self._details.render(finding=finding, first=finding.first, has_main=has_main, **main)


def _failures(counts: Mapping[Outcome, int]) -> str:
    failed, unknown = counts.get("failed", 0), counts.get("error", 0)
    if not failed:
        return f"{plural(counts.get('warned', 0), 'warning')}, and this run was asked to fail on them."
    return f"{plural(failed, 'check')} failed" + (f"; {unknown:,} could not be measured." if unknown else ".")


def _mood(status: int | None, counts: Mapping[Outcome, int]) -> Outcome:
    if status == 0:
        return "warned" if counts.get("warned") else "passed"
    return "failed" if status in (1, 3, 4) else "error"


def _row(number: int, name: str, parts: Iterable[Mapping[str, Counter[Outcome]]], subjects: list[str]) -> HostRow:
    sums: dict[str, Counter[Outcome]] = {}
    for part in parts:
        for subject, counts in part.items():
            sums.setdefault(subject, Counter()).update(counts)
    all_counts: Counter[Outcome] = sum(sums.values(), Counter())
    cells = [_cell(subject, sums[subject]) if subject in sums else None for subject in subjects]
    return HostRow(number, name, worst(all_counts), cells)


def _cell(subject: str, counts: Counter[Outcome]) -> Cell:
    outcome = worst(counts)
    words = ", ".join(words for _, words in counts_in_words(counts))
    return Cell(subject, outcome, counts[outcome], counts.total(), words)


def _evidence(finding: Finding) -> list[tuple[str, list[str]]]:
    """(host, lines) of each example; told once, without a host, when all are alike."""
    found = {result.host or "": list(result.evidence[:50]) for result in finding.examples if result.evidence}
    first = next(iter(found.values()), [])
    if len(found) <= 1 or all(lines == first for lines in found.values()):
        return [("", first)] if first else []
    return list(found.items())


def _measures(finding: Finding) -> list[dict[str, Any]]:
    many = len(finding.hosts) > 1
    return [
        {
            "host": result.host if many else "",
            "name": measure.name,
            "value": quantity(measure.value, measure.unit),
            "bounds": bounds(measure),
            "origin": measure.origin,
        }
        for result in finding.examples
        for measure in result.measures
    ][:50]


def _moment(at: object) -> str:
    """`23 November 2026, 05:31 UTC`; anything else as it stands."""
    try:
        return f"{datetime.fromisoformat(str(at)):%-d %B %Y, %H:%M} UTC"
    except ValueError:
        return str(at or "unknown")
