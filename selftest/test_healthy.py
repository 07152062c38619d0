"""False alarms are defects: `baseline` is green on healthy hosts of every common kind.

`selftest/healthy/<kind>/` is such a host, as far as probes read it: `proc`, `sys`, `commands`; `then/` holds what is
otherwise after a window of one second. Every probe reads it whole, and every check of one host must pass or not apply.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from selftest import judged
from shipworthy.checks import CHECKS, Described, catalogue
from shipworthy.policy import HostPolicy
from shipworthy.probes import runtime
from shipworthy.snapshot import NOTHING_BEFORE

KINDS = sorted(path.name for path in (Path(__file__).parent / "healthy").iterdir())
NOT_JUDGED = {"login", "exchanges", "fleet"}
"""What a tree does not have: a way to it, other hosts, things that a policy names."""


@cache
def of_one_host() -> dict[str, Described]:
    """The checks that a tree can be judged by, by test name."""
    checks = catalogue([CHECKS]).values()
    return {check.test: check for check in checks if not check.each and NOT_JUDGED.isdisjoint(check.arguments)}


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each probe reads of each kind."""
    return {kind: read(kind, tmp_path_factory.mktemp(kind)) for kind in KINDS}


def read(kind: str, folder: Path) -> dict[str, Any]:
    tree = Path(__file__).parent / "healthy" / kind
    before, after = folder / "before", folder / "after"
    for root in (before, after):
        shutil.copytree(tree, root, symlinks=True, ignore=shutil.ignore_patterns("then"))
    if (tree / "then").is_dir():
        shutil.copytree(tree / "then", after, symlinks=True, dirs_exist_ok=True)
    return {subject: judged.read(subject, before, after, request(subject)) for subject in runtime.probe_names()}


def request(subject: str) -> Any:
    own = frozenset(check.id for check in of_one_host().values() if check.subject == subject)
    return by_default().subjects[subject].request(own)


@cache
def by_default() -> HostPolicy:
    return judged.policy()


@pytest.mark.parametrize("test", of_one_host())
@pytest.mark.parametrize("kind", KINDS)
def test_a_healthy_host_is_green(kind: str, test: str, readings: dict[str, dict[str, Any]]) -> None:
    given = {**readings[kind], "policy": by_default(), "previous": NOTHING_BEFORE, "now": datetime.now(UTC)}
    verdict = judged.judge(of_one_host()[test].subject, test, facts=judged.facts(), **given)
    assert verdict.outcome in {"passed", "skipped"}, (verdict.message, verdict.evidence)
