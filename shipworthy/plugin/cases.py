"""What each pytest item is to Shipworthy: a check on a host; and the items of a host together.

In: pytest items, collected. Out: `Case`s, found again by `case_of(item)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from shipworthy.checks import CHECKS, check_id, derived_id, describe, is_once, subject_of

HOST = "shipworthy_host"
"""The parameter that carries a host's name into fixtures and node ids."""
ITEM = "shipworthy_item"
"""The same for an item that the host's policy names."""
FLEET = "fleet"
"""The fixture that makes a test one of a set of hosts."""
EXCHANGES, CLOCK = "exchanges", "clock"
"""The fixture of what is measured on the way to a host, and the subject that asks for it."""


@dataclass(frozen=True, slots=True)
class Named:
    """Where an item stands in a policy: `disks`, `mounts`, `/var`."""

    subject: str
    field: str
    name: str


NOTHING = Named("", "", "")
"""Stands for the items of a check for which no host's policy names any; the test that is made of it is dropped."""


@dataclass(frozen=True, slots=True)
class Case:
    """One check on one host; on none, for a test of a user's that asks for no host."""

    check: str
    subject: str
    host: str | None
    """None: of a set of hosts, of a thing that several name, or of none."""
    item: str | None
    declared: bool
    """It has an id of its own (`@check`), and so speaks in verdicts; otherwise it is a user's plain test."""
    nodeid: str
    """pytest's, but that our own checks have the same wherever they are installed: `tests/test_memory.py::…`."""

    of_fleet: bool = False
    """It speaks of a set of hosts, and so runs last."""
    once: Named | None = None
    """The thing that it speaks of, once for all hosts whose policies name it; it runs first."""


_CASE = pytest.StashKey[Case]()


def case_of(item: pytest.Item) -> Case:
    """The case that `mark` made of `item`."""
    return item.stash[_CASE]


def mark(item: pytest.Item) -> None:
    """Make `item` a case, and give it its subject as a mark, so that `-m memory` is exact."""
    subject = subject_of(item.path)
    name = getattr(item, "originalname", None) or item.name
    function = getattr(item, "obj", None)
    declared, once = check_id(function), is_once(function)
    callspec = getattr(item, "callspec", None)
    params = callspec.params if callspec else {}
    named = params.get(ITEM)
    id = declared or derived_id(item.path, name)
    of_fleet = FLEET in getattr(item, "fixturenames", ())
    item.stash[_CASE] = Case(
        check=id,
        subject=subject,
        host=None if once else params.get(HOST),
        item=named.name if named else None,
        declared=declared is not None,
        nodeid=_nodeid(item),
        of_fleet=of_fleet,
        once=named if once else None,
    )
    item.add_marker(_mark_of(subject, item.config))


@cache
def know_subject(subject: str, config: pytest.Config) -> None:
    """Register a subject as a mark."""
    config.addinivalue_line("markers", f"{subject}: the checks of test_{subject}.py")


@cache
def _mark_of(subject: str, config: pytest.Config) -> pytest.MarkDecorator:
    know_subject(subject, config)
    mark: pytest.MarkDecorator = getattr(pytest.mark, subject)
    return mark


def is_ours(item: pytest.Item) -> bool:
    """Whether `item` is one of Shipworthy's own checks, of which it is known what they look at."""
    return case_of(item).declared and _own_file(item.path) is not None


def is_of_nothing(item: pytest.Item) -> bool:
    """Whether no host's policy names anything that `item`, a check of items, could be made for."""
    callspec = getattr(item, "callspec", None)
    return callspec is not None and callspec.params.get(ITEM) is NOTHING


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
