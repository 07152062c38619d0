"""Recorded machines and what must be read from them: `selftest/cases/<subject>/<case>/`.

A case is a tree (`proc`, `sys`, `dev`); with `then/` and `seconds`, also the tree after the window. `request.json` is
what the probe is asked, everything where there is none. `expected.json` holds what must be in the outcome: of mappings
the keys that are named, of lists every item.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shipworthy.probes.__main__ import main

CASES = Path(__file__).parents[1] / "cases"


def cases() -> list[Path]:
    return sorted(path.parent for path in CASES.glob("*/*/expected.json"))


def name(case: Path) -> str:
    return f"{case.parent.name}/{case.name}"


def differences(expected: Any, found: Any, place: str = "") -> list[str]:
    """Where `found` lacks something of `expected`, or has it otherwise."""
    if isinstance(expected, dict) and isinstance(found, dict):
        missing = [f"{place}.{key} is missing" for key in expected if key not in found]
        both = [key for key in expected if key in found]
        return missing + [line for key in both for line in differences(expected[key], found[key], f"{place}.{key}")]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found, strict=True))
        return [line for index, pair in pairs for line in differences(*pair, place=f"{place}[{index}]")]
    same = expected == found and isinstance(expected, bool) == isinstance(found, bool)
    return [] if same else [f"{place} is {found!r}, not {expected!r}"]


def run(case: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    subject = case.parent.name
    arguments = [subject, f"--root={case}"]
    if (case / "then").is_dir():
        arguments += [f"--then={case / 'then'}", f"--seconds={(case / 'seconds').read_text().strip()}"]
    if (case / "request.json").exists():
        arguments.append(f"--request={case / 'request.json'}")
    status = main(arguments)
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return status, printed[subject]


@pytest.mark.parametrize("case", cases(), ids=name)
def test_a_recorded_machine_reads_as_expected(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = json.loads((case / "expected.json").read_text())
    status, outcome = run(case, capsys)
    if "error" in expected:
        assert status == 6
        # The place in the probe's file, which changes with it, stands at the end.
        assert outcome["error"].rpartition(f" ({case.parent.name}.py:")[0] == expected["error"]
    else:
        assert "error" not in outcome, outcome
        assert status == 0
        assert differences(expected, outcome) == []


@pytest.mark.parametrize("case", cases(), ids=name)
def test_what_is_none_has_its_reason(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, outcome = run(case, capsys)
    if "error" in outcome:
        return
    reading = outcome["reading"]
    reasons = reading["unseen"]
    for part, value in reading.items():
        assert value is not None or part in reasons
        for field, one in value.items() if isinstance(value, dict) else ():
            assert one is not None or f"{part}.{field}" in reasons


def test_differences_are_found() -> None:
    assert differences({"a": [1, {"b": 0}]}, {"a": [1, {"b": False, "c": 2}], "d": 1}) == [".a[1].b is False, not 0"]
    assert differences({"a": 1}, {}) == [".a is missing"]
    assert differences([1], [1, 2]) == [" is [1, 2], not [1]"]
