"""A finished check as data, and its one line in results.jsonl, from which every report is made.

In: what the plugin knows when a check is over. Out: a JSON line, and the same value back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

SCHEMA = 1

Outcome = Literal["passed", "warned", "failed", "error", "skipped", "waived"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True)
class Measure:
    """One value that was judged against one limit. `value` in `unit` (B, %, s, 1, 1/s); `None` bounds are open."""

    name: str
    value: float | None
    unit: str
    warn: float | None
    fail: float | None
    origin: str
    """Where the limit stands: `policies/prod.yml:7`, or `baseline`. Written as `from`."""


@dataclass(frozen=True)
class Result:
    """One finished check; the fields of a line of results.jsonl, in its order."""

    run: str
    at: str
    """UTC, RFC 3339 with milliseconds and `Z`."""
    nodeid: str
    check: str
    test: str
    subject: str
    host: str | None
    item: str | None
    outcome: Outcome
    message: str
    """One line; empty for a plain pass."""
    measures: tuple[Measure, ...] = ()
    evidence: tuple[str, ...] = ()
    seconds: float = 0.0
    note: str = ""
    """What else a person must know: the waiver that applied, `observed only`, …"""
    why: str = ""
    look: str = ""
    schema: int = SCHEMA


_NAMES = frozenset(field.name for field in fields(Result))


def to_line(result: Result) -> str:
    """`result` as one line of JSON, without a newline; control characters are escaped by JSON itself."""
    data = {"schema": result.schema, **vars(result)}
    data["measures"] = [_rename(vars(measure), "origin", "from") for measure in result.measures]
    return json.dumps(data, ensure_ascii=True, allow_nan=False)


def from_line(line: str | bytes) -> Result:
    """The `Result` of one line; raises ValueError when it is none. Unknown fields of later versions are left out."""
    data = json.loads(line)
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise ValueError(f"not a result of schema {SCHEMA}")
    if data.get("outcome") not in OUTCOMES:
        raise ValueError(f"no such outcome: {data.get('outcome')!r}")
    try:
        data["measures"] = tuple(Measure(**_rename(measure, "from", "origin")) for measure in data.get("measures", ()))
        data["evidence"] = tuple(data.get("evidence", ()))
        if not data.keys() <= _NAMES:
            data = {name: value for name, value in data.items() if name in _NAMES}
        return Result(**data)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"not a result: {error}") from error


def _rename(mapping: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    return {new if name == old else name: value for name, value in mapping.items()}
