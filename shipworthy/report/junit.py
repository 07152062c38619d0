"""junit.xml for a pipeline, written while results.jsonl is read: memory does not grow with the run.

In: a run's directory. Out: its junit.xml, valid to Jenkins' schema (which GitLab and GitHub consumers read too). JUnit
knows neither a warning nor a waiver: both pass there, and say so in `system-out`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

from shipworthy.report import stored
from shipworthy.report.findings import Tally
from shipworthy.report.measures import measure_in_words
from shipworthy.report.run import replacing
from shipworthy.report.text import visible, xml
from shipworthy.results import Outcome, Result

_EVIDENCE_LINES = 50
_VERDICTS: Mapping[Outcome, str] = {"failed": "failure", "error": "error", "skipped": "skipped"}


def render(run_directory: Path, gathered: stored.Gathered | None = None) -> Path:
    """Write junit.xml beside results.jsonl, and say where; `gathered` spares reading the results twice."""
    facts = stored.facts(run_directory)
    tally = (gathered or stored.gather(run_directory)).tally  # counts stand before the cases
    path = run_directory / "junit.xml"
    with replacing(path) as file:
        writer = XMLGenerator(file, "utf-8", short_empty_elements=True)
        writer.startDocument()
        write(writer, stored.results(run_directory), tally, facts)
        writer.endDocument()
        file.write(b"\n")
    return path


def write(writer: XMLGenerator, results: Iterable[Result], tally: Tally, facts: Mapping[str, Any]) -> None:
    """The whole document; `tally` is of `results`, which is read once."""
    counts = tally.counts
    numbers = {
        "name": "shipworthy",
        "tests": str(tally.total),
        "failures": str(counts.get("failed", 0)),
        "errors": str(counts.get("error", 0)),
        "time": f"{facts.get('seconds') or tally.seconds:.3f}",
    }
    about = {"skipped": str(counts.get("skipped", 0)), "package": xml(str(facts.get("run", "")))}
    if started := facts.get("started"):
        about["timestamp"] = xml(str(started))[:19]
    if by := facts.get("by"):
        about["hostname"] = xml(str(by)).rpartition("@")[2]
    writer.startElement("testsuites", AttributesImpl(numbers))
    writer.ignorableWhitespace("\n")
    writer.startElement("testsuite", AttributesImpl({**numbers, **about}))
    writer.ignorableWhitespace("\n")
    for result in results:
        _case(writer, result)
    writer.endElement("testsuite")
    writer.endElement("testsuites")


def _case(writer: XMLGenerator, result: Result) -> None:
    file = result.nodeid.partition("::")[0]
    attributes = {
        "classname": xml(file.removesuffix(".py").replace("/", ".")),
        "name": xml(_name(result)),
        "time": f"{result.seconds:.4f}",
    }
    writer.startElement("testcase", AttributesImpl(attributes))
    if verdict := _VERDICTS.get(result.outcome):
        about = {"message": xml(result.message), "type": xml(result.check)}
        writer.startElement(verdict, AttributesImpl(about))
        writer.characters("\n".join(_details(result)))
        writer.endElement(verdict)
    elif result.outcome in ("warned", "waived") or result.note:
        writer.startElement("system-out", AttributesImpl({}))
        writer.characters("\n".join([xml(f"{result.outcome}: {result.message}"), *_details(result)]))
        writer.endElement("system-out")
    writer.endElement("testcase")
    writer.ignorableWhitespace("\n")


def _name(result: Result) -> str:
    """`test_swap_is_unused[db1]`, `test_resolves[web1/www.example.org]`: as pytest names it."""
    where = "/".join(part for part in (result.host, result.item) if part is not None)
    return f"{result.test}[{visible(where, 500)}]" if where else result.test


def _details(result: Result) -> list[str]:
    """Evidence, measures, note, Why and Look, one a line."""
    lines = [xml(line, 500) for line in result.evidence[:_EVIDENCE_LINES]]
    if len(result.evidence) > _EVIDENCE_LINES:
        lines.append(f"… {len(result.evidence) - _EVIDENCE_LINES} lines more in results.jsonl")
    lines += [xml(measure_in_words(measure)) for measure in result.measures]
    if result.note:
        lines.append(xml(result.note))
    if result.outcome != "skipped":
        lines += [xml(f"{label}: {text}") for label, text in (("Why", result.why), ("Look", result.look)) if text]
    return lines
