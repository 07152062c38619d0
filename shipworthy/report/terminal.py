"""What a run says on the terminal: findings, closing summary, progress. Text and style, for the plugin to write.

In: results. Out: `(text, style)` pairs, one a line; `style` is a markup name of pytest's terminal writer or empty.
Every line is inert: see `text.terminal`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from shipworthy.report.findings import Finding, Findings, counts_in_words
from shipworthy.report.text import duration, plural, some, terminal
from shipworthy.results import Outcome, Result

STYLES: Mapping[Outcome, str] = {
    "passed": "green",
    "warned": "yellow",
    "failed": "red",
    "error": "red",
    "skipped": "",
    "waived": "cyan",
}

_ROOM: Mapping[Outcome, int] = {"failed": 100, "error": 100, "warned": 50, "waived": 50, "passed": 50}
_EVIDENCE_LINES = 10


class Line(NamedTuple):
    """One line for the terminal, without its newline."""

    text: str
    style: str = ""


def findings(results: Iterable[Result], hosts_total: int) -> list[Line]:
    """A line for each finding (failed, error, warned, waived, observed), with its evidence below; identical ones once.

    `hosts_total` is how many hosts the run has: `40 of 40 hosts`. Passed results may be among `results`.
    """
    gathered = Findings(_ROOM).extend(result for result in results if result.outcome != "skipped")
    lines = [line for finding in gathered.told() for line in _lines(finding, hosts_total)]
    if gathered.left_out:
        rest = ", ".join(words for _, words in counts_in_words(gathered.left_out))
        lines.append(Line(f"… and {rest} more, not listed here; all are in the report and in results.jsonl"))
    return lines


def _lines(finding: Finding, hosts_total: int) -> list[Line]:
    style = STYLES[finding.outcome]
    lines = [Line(f"{finding.outcome.upper():<8}{_headline(finding, hosts_total)}", style)]
    evidence = finding.first.evidence if finding.outcome in ("failed", "error") else ()
    lines += [Line(f"        │ {terminal(line, 300)}") for line in evidence[:_EVIDENCE_LINES]]
    if len(evidence) > _EVIDENCE_LINES:
        lines.append(Line(f"        │ … {plural(len(evidence) - _EVIDENCE_LINES, 'line')} more in the report"))
    return lines


def _headline(finding: Finding, hosts_total: int) -> str:
    """`db1  memory.swap_used  swap used 512 MiB, limit 64 MiB`, or `dns.aaaa  x has no AAAA: 40 of 40 hosts`."""
    what = terminal(finding.checks[0] if len(finding.checks) == 1 else plural(len(finding.checks), "check"), 120)
    message = terminal(finding.message or "no message", 500)
    if finding.also:
        message += f" (so {plural(finding.also, 'other check')} could not be measured)"
    if finding.first.note:
        message += f" ({terminal(finding.first.note, 200)})"
    many = len(finding.hosts) > 1
    items = terminal(finding.named[0], 120) if len(finding.named) == 1 else terminal(some(finding.named), 500)
    if (len(finding.named) > 1 and not finding.is_folded) or (many and _is_untold(finding)):
        message += f" ({items})"
        items = ""
    if many:
        return f"{what}  {message}: {of_hosts(finding.hosts, hosts_total)}"
    where = _where(terminal(finding.hosts[0], 120) if finding.hosts else "", items)
    return f"{where}  {what}  {message}" if where else f"{what}  {message}"


def _where(host: str, items: str) -> str:
    """`db1/www`, `db1: /etc/ssl/www.pem`."""
    between = ": " if items.startswith("/") else "/"
    return between.join(part for part in (host, items) if part)


def _is_untold(finding: Finding) -> bool:
    """Whether its words leave out what they are said of."""
    return len(finding.items) == 1 and finding.items[0] not in finding.message


def of_hosts(hosts: list[str], total: int) -> str:
    """`40 of 40 hosts`, `2 of 40 hosts (db1, db2)`."""
    count = f"{len(hosts):,} of {plural(max(total, len(hosts)), 'host')}"
    return count if len(hosts) >= total else f"{count} ({terminal(some(hosts))})"


def not_run(checks_of: Mapping[str, int]) -> str:
    """`21 checks did not run: 7 on db1, 7 on db2, 7 on db3`, from how many there were of each host."""
    told = [f"{count:,} on {terminal(host, 120)}" for host, count in checks_of.items()]
    return f"{plural(sum(checks_of.values()), 'check')} did not run: {some(told)}"


def summary(counts: Mapping[Outcome, int], hosts: int, seconds: float, not_run: int = 0) -> Line:
    """`212 passed, 3 warned, 2 failed, 1 error, 4 skipped, 1 waived on 12 hosts in 2.1 s`; the numbers add up.

    Those that did not run are a part of the sum.
    """
    words = ", ".join(words for _, words in counts_in_words(counts)) or "no check finished"
    if not_run:
        words += f", {not_run:,} not run"
    bad: tuple[Outcome, ...] = ("failed", "error", "warned")
    style = next((STYLES[outcome] for outcome in bad if counts.get(outcome)), "green" if counts.get("passed") else "")
    return Line(f"{words} on {plural(hosts, 'host')} in {duration(seconds)}", style)


def progress(done: int, failed: int, total: int) -> str:
    """`12 of 40 hosts done, 2 failed`: the line that is rewritten while hosts are measured."""
    text = f"{done:,} of {plural(total, 'host')} done"
    return f"{text}, {failed:,} failed" if failed else text
