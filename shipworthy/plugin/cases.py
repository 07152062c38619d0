"""What each pytest item is to Shipworthy: a check on a host; and the items of a host together.

In: pytest items, collected. Out: `Case`s, found again by `case_of(item)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from shipworthy.checks import CHECKS, check_id, derived_id, describe, subject_of

HOST = "shipworthy_host"
"""The parameter that carries a host's name into fixtures and node ids."""


@dataclass(frozen=True, slots=True)
class Case:
    """One check on one host; on none, for a test of a user's that asks for no host."""

    check: str
    subject: str
    host: str | None
    declared: bool
    """It has an id of its own (`@check`), and so speaks in verdicts; otherwise it is a user's plain test."""
    nodeid: str
    """pytest's, but that our own checks have the same wherever they are installed: `tests/test_memory.py::…`."""


_CASE = pytest.StashKey[Case]()


def case_of(item: pytest.Item) -> Case:
    """The case that `mark` made of `item`."""
    return item.stash[_CASE]


def mark(item: pytest.Item) -> None:
    """Make `item` a case, and give it its subject as a mark, so that `-m memory` is exact."""
    subject = subject_of(item.path)
    name = getattr(item, "originalname", None) or item.name
    declared = check_id(getattr(item, "obj", None))
    callspec = getattr(item, "callspec", None)
    host = callspec.params.get(HOST) if callspec else None
    id = declared or derived_id(item.path, name)
    item.stash[_CASE] = Case(id, subject, host, declared is not None, _nodeid(item))
    item.add_marker(_mark_of(subject, item.config))


@cache
def _mark_of(subject: str, config: pytest.Config) -> pytest.MarkDecorator:
    config.addinivalue_line("markers", f"{subject}: the checks of test_{subject}.py")
    mark: pytest.MarkDecorator = getattr(pytest.mark, subject)
    return mark


def docstring_of(item: pytest.Item) -> tuple[str, str, str]:
    """What the check's docstring says: (claim, why, look)."""
    return describe(getattr(getattr(item, "obj", None), "__doc__", None) or "")


def _nodeid(item: pytest.Item) -> str:
    file, _, name = item.nodeid.partition("::")
    own = _own_file(item.path)
    return item.nodeid if own in {None, file} else f"{own}::{name}"


@cache
def _own_file(path: Path) -> str | None:
    return f"tests/{path.relative_to(CHECKS).as_posix()}" if path.is_relative_to(CHECKS) else None
