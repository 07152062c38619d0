"""The real checks' verdicts on readings of recorded trees, without a run: in milliseconds, and of this machine nothing.

In: a tree, what its probe is asked, a policy as people write it. Out: `Judged`, as the suite would tell it.

    reading = read("disks", tree, tree_after_the_window, Request(), seconds=1.0)
    judge("disks", "test_space_is_left", disks=reading, policy=policy(disks={"space": {"fail_below": "3 %"}}))
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from types import GeneratorType, ModuleType
from typing import Any

import pytest

from shipworthy.errors import Problem
from shipworthy.outcome import Judged, decide
from shipworthy.policy import ASKED, HostPolicy, Verdict, Warned
from shipworthy.policy.language.direct import gathered
from shipworthy.policy.language.document import Node
from shipworthy.policy.language.host import build
from shipworthy.policy.language.plays import nodes
from shipworthy.policy.language.subjects import discover
from shipworthy.probes.runtime.machine import Machine
from shipworthy.snapshot import Facts

TESTS = Path(__file__).parents[1] / "tests"


def policy(*, extends: str = "baseline", families: tuple[str, ...] = ("ipv4", "ipv6"), **said: Any) -> HostPolicy:
    """A host's policy: the defaults, and what is said of subjects as a play would say it, in texts."""
    problems: list[Problem] = []
    subjects = discover()
    said = {name: gathered(name, subjects[name], nodes(each, "test"), problems) for name, each in said.items()}
    assert not problems
    tree = Node(said, "test")
    return build(tree, extends=extends, subjects=subjects, families=families, off={}, observe=frozenset(), waivers=())


def read(
    subject: str,
    root: Path,
    then: Path | None = None,
    request: Any = None,
    seconds: float = 1.0,
    *,
    later: Path | None = None,
) -> Any:
    """The subject's reading of a tree, which is `then` after the window, and `later` after a long one, ten times it."""
    module = importlib.import_module(f"shipworthy.probes.{subject}")
    machine = Machine(str(root))
    steps = module.probe(machine, module.Request() if request is None else request)
    if not isinstance(steps, GeneratorType):
        return steps
    try:
        next(steps)
        machine.root = str(then or root)
        steps.send(seconds)
        machine.root = str(later or then or root)
        steps.send(seconds * 10 if later else seconds)
    except StopIteration as end:
        return end.value


def facts(uptime: float | None = 500_000.0) -> Facts:
    """What a host says of itself."""
    return Facts("3.11", "boot", 0, 0.0, uptime, "6.1", "x86_64")


def judge(subject: str, name: str, **arguments: Any) -> Judged:
    """What the check called `name` concludes from its arguments: readings, `policy`, `facts`, `previous`, `item`."""
    check = function(subject, name)
    wanted = check.__code__.co_varnames[: check.__code__.co_argcount]
    asked: list[Verdict | Warned] = []
    token, error = ASKED.set(asked), None
    try:
        check(**{each: arguments[each] for each in wanted})
    except BaseException as raised:  # noqa: BLE001 -- the outcome is made of it
        error = raised
    finally:
        ASKED.reset(token)
    return decide(error, asked, today=date(2026, 11, 23))


def function(subject: str, name: str) -> Any:
    """The check called `name`."""
    return getattr(_checks(subject), name)


def write(root: Path, files: Mapping[str, str | None]) -> Path:
    """A tree of `files` under `root`; a text of `link:…` makes a symbolic link, and None no file."""
    for path, text in files.items():
        if text is None:
            continue
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("link:"):
            file.symlink_to(text.removeprefix("link:"))
        else:
            file.write_bytes(text.encode())
    return root


@cache
def _checks(subject: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"checks_of_{subject}", TESTS / f"test_{subject}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines(tables: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """A parameter for each line of each check's table."""
    every = ((check, name, case) for check, table in tables.items() for name, case in table.items())
    return [pytest.param(check, case, id=f"{check}-{name}") for check, name, case in every]
