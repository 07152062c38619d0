"""junit.xml: what pipelines read of it, and that nothing in it can be anything but text."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from selftest.report import fleet
from shipworthy.report import junit
from shipworthy.results import Result

# Jenkins' junit-10.xsd: what a testcase may hold, in this order, and which attributes are known.
CHILDREN = ["skipped", "error", "failure", "system-out", "system-err"]
ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "disabled", "errors"},
    "testsuite": {
        *(
            "name",
            "tests",
            "failures",
            "errors",
            "time",
            "disabled",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
        ),
    },
    "testcase": {"name", "assertions", "time", "classname", "status"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
    "system-out": set[str](),
}


def rendered(directory: Path, results: list[Result], **facts: object) -> ET.Element:
    return ET.parse(junit.render(fleet.stored(directory, results, **facts))).getroot()


def cases(root: ET.Element) -> dict[tuple[str, str], ET.Element]:
    return {(case.get("classname", ""), case.get("name", "")): case for case in root.iter("testcase")}


def test_it_is_what_jenkins_schema_allows(tmp_path: Path) -> None:
    for element in rendered(tmp_path, fleet.small()).iter():
        assert set(element.attrib) <= ATTRIBUTES[element.tag]
        if element.tag == "testcase":
            order = [CHILDREN.index(child.tag) for child in element]
            assert order == sorted(order)


def test_the_counts_are_those_of_the_cases(tmp_path: Path) -> None:
    root = rendered(tmp_path, fleet.small())
    (suite,) = root
    found = {tag: len(list(suite.iter(tag))) for tag in ("testcase", "failure", "error", "skipped")}
    assert found == {"testcase": 91, "failure": 7, "error": 18, "skipped": 4}
    told = [suite.get(name) for name in ("tests", "failures", "errors", "skipped", "timestamp", "hostname")]
    assert told == ["91", "7", "18", "4", "2026-11-23T05:31:07", "ci-runner-3"]
    assert root.get("tests") == "91"


def test_a_failure_carries_message_evidence_measures_and_what_to_do(tmp_path: Path) -> None:
    case = cases(rendered(tmp_path, fleet.small()))["tests.test_memory", "test_swap_is_unused[db1]"]
    (failure,) = case
    assert (failure.tag, failure.get("message"), failure.get("type")) == (
        "failure", "swap used 512 MiB, limit 64 MiB", "memory.swap_used",
    )  # fmt: skip
    assert (failure.text or "").splitlines() == [
        "java[1234] 480 MiB",
        "postgres[812] 22.4 MiB",
        "systemd-journald[401] 6.1 MiB",
        "memory.swap_used = 512 MiB (warning level 0 B, limit 64 MiB; policies/staging.yml:7)",
        f"Why: {fleet.WHY}",
        f"Look: {fleet.LOOK}",
    ]


def test_a_warning_and_a_waiver_pass_and_say_so(tmp_path: Path) -> None:
    found = cases(rendered(tmp_path, fleet.small()))
    (warned,) = found["tests.test_memory", "test_memory_pressure_is_low[db1]"]
    (waived,) = found["tests.test_memory", "test_swap_is_unused[db2]"]
    assert (warned.tag, (warned.text or "").splitlines()[0]) == (
        "system-out", "warned: memory pressure 12.4 %, warns at 10 %",
    )  # fmt: skip
    assert "waived until 2027-01-31 by platform" in (waived.text or "")


def test_a_named_item_stands_in_the_name(tmp_path: Path) -> None:
    assert ("tests.test_dns", "test_resolves_on_ipv4[db1/www.example.org]") in cases(rendered(tmp_path, fleet.small()))


def test_a_run_that_was_killed_has_a_whole_file_too(tmp_path: Path) -> None:
    directory = fleet.stored(tmp_path, fleet.small())
    (directory / "run.json").unlink()
    assert ET.parse(junit.render(directory)).getroot().get("tests") == "91"


@settings(max_examples=60, deadline=None)
@given(evil=st.text(st.characters(codec=None), max_size=40) | st.just("]]><x>&#0;\x00\ufffe</failure>\x1b[0m::error::"))
def test_nothing_from_a_host_breaks_it(evil: str, tmp_path_factory: object) -> None:
    directory = Path(str(tmp_path_factory.mktemp("junit")))  # type: ignore[attr-defined]
    bad = replace(
        fleet.swap_failed(evil),
        item=evil,
        message=evil,
        evidence=(evil, evil),
        note=evil,
        check=evil,
        nodeid=f"{evil}::x",
    )
    root = rendered(directory, [bad, replace(bad, outcome="waived"), replace(bad, outcome="skipped")], by=f"x@{evil}")
    assert len(list(root.iter("testcase"))) == 3
    assert len(list(root.iter())) == 8
    assert not [line for text in root.itertext() for line in text.splitlines() if line.lstrip().startswith("::")]
