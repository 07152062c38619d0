"""What pytest shows of a test, made fit to be shown: no secret, no control sequence, no end.

In: a report as pytest made it. Out: the same report; where something in it had to go, as plain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from shipworthy.errors import UsageError
from shipworthy.report.text import terminal

LINE = 1000
LINES = 400

Redact = Callable[[str], str]


@dataclass(frozen=True)
class Crash:
    """Where and why, in one line: what pytest's short summary looks for."""

    path: str
    lineno: int
    message: str


@dataclass(frozen=True)
class Shown:
    """Stands for pytest's own account of a failure, of which something had to go."""

    text: str
    reprcrash: Crash

    def toterminal(self, writer: Any) -> None:
        """As pytest's own accounts do."""
        writer.line(self.text)

    def __str__(self) -> str:
        return self.text


def said(error: UsageError) -> pytest.UsageError:
    """As pytest tells it: every problem on its line."""
    return pytest.UsageError("\n".join(terminal(str(problem)) for problem in error.problems))


def make_inert(report: pytest.TestReport, redact: Redact) -> None:
    """Clean `report` in place. pytest's own colours are kept where there was nothing to clean."""
    match report.longrepr:
        case None:
            pass
        case (str(file), line, str(reason)):
            report.longrepr = (file, line, _unwrappable(inert(reason, redact)))
        case account:
            text = report.longreprtext
            if (clean := inert(text, redact)) != text:
                report.longrepr = Shown(clean, _crash(account, clean, redact))  # type: ignore[assignment]
    report.sections = [(name, inert(content, redact)) for name, content in report.sections]


def inert(text: str, redact: Redact) -> str:
    """`text` without secrets, each of its lines harmless on a terminal, and no more than a person would read."""
    lines = redact(text).split("\n")
    if len(lines) > LINES:
        left_out = len(lines) - LINES
        lines[LINES // 2 : -LINES // 2] = [f"… {left_out:,} lines left out …"]
    return "\n".join(terminal(line.expandtabs(), LINE) for line in lines)


def _unwrappable(reason: str) -> str:
    """pytest wraps the reason of a skip: any word of it may come to stand at a line's beginning."""
    return re.sub(r"(?<!\S)::", r"\\x3a:", reason)


def _crash(account: object, text: str, redact: Redact) -> Crash:
    crash = getattr(account, "reprcrash", None)
    if crash is None:
        return Crash("", 0, text.partition("\n")[0])
    first = str(crash.message).partition("\n")[0]
    return Crash(str(crash.path), crash.lineno, terminal(redact(first), LINE))
