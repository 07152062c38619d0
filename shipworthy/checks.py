"""What makes a pytest function a check: a stable id; and the catalogue of all ids, read without importing a test.

`subject.claim` is the name that policies, waivers, history and reports use; renaming the function breaks nobody.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar

from shipworthy.errors import DoesNotApply, NotMeasured

Function = TypeVar("Function", bound=Callable[..., None])
Said = TypeVar("Said")
Found = TypeVar("Found")

_INSTALLED = Path(__file__).parent / "tests"
CHECKS = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[1] / "tests"
"""Shipworthy's own checks: in the package, or beside it in its repository."""

_ATTRIBUTE = "shipworthy_check"
_EACH = "shipworthy_each"
_ONCE = "shipworthy_once"
_ID = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")


class Item(NamedTuple, Generic[Said]):
    """One thing that a host's policy names, such as a mount or a service: what a check with `each` is made for."""

    name: str
    policy: Said
    """What the policy says of it."""


def check(id: str, *, each: str | None = None, once: bool = False) -> Callable[[Function], Function]:
    """Give the test function below its stable id, `subject.claim`.

    With `each`, the check is made for every item that the subject's policy has under that name and to which the claim
    applies, and is given it as `item: Item[…]`; on a host whose policy names none, it is not there. With `once` too, it
    is made once for each, however many hosts' policies name it: it speaks of the thing, and asks no host.
    """
    if not _ID.fullmatch(id):
        raise ValueError(f"{id!r} is not of the form subject.claim")
    if once and each is None:
        raise ValueError(f"{id}: `once` is for the items of `each`")

    def name(function: Function) -> Function:
        setattr(function, _ATTRIBUTE, id)
        setattr(function, _EACH, each)
        setattr(function, _ONCE, once)
        return function

    return name


def check_id(function: object) -> str | None:
    """The id that `check` gave to `function`, or None if it is no check of Shipworthy's kind."""
    return getattr(function, _ATTRIBUTE, None)


def items_of(function: object) -> str | None:
    """The field of its subject's policy whose items `function` is made for."""
    return getattr(function, _EACH, None)


def is_once(function: object) -> bool:
    """Whether `function` is made once for an item, and not once on each host."""
    return getattr(function, _ONCE, False)


def asked(answers: Mapping[str, Found], name: str) -> Found:
    """What a reading says of the item `name`; raises NotMeasured when the host was not asked for it in that run."""
    try:
        return answers[name]
    except KeyError:
        raise NotMeasured(f"{name} was not asked for in this run") from None


def does_not_apply(reason: str) -> NoReturn:
    """Leave the running check as skipped: there is nothing on this host that it speaks of."""
    raise DoesNotApply(reason)


def seen(reading: Any, field: str) -> Any:
    """The value at `field` (dotted) of a reading; raises NotMeasured with the probe's reason where there is none.

    What may be missing is read by this, so that a missing value is told with its reason, and never judged as 0.
    """
    value, parts = reading, field.split(".")
    for depth, part in enumerate(parts, 1):
        value = getattr(value, part)
        if value is None:
            path = ".".join(parts[:depth])
            raise NotMeasured(f"{field}: {reading.unseen.get(path, 'not measured')}")
    return value


@dataclass(frozen=True)
class Described:
    """A check as its test file tells it."""

    id: str
    test: str
    file: Path
    claim: str
    why: str
    look: str
    arguments: frozenset[str]
    """What it asks for: `fleet` if it is of a set of hosts."""
    each: str | None = None
    """The things that a policy names, for each of which it is made."""
    once: bool = False
    """It is made once for a thing, whichever hosts' policies name it."""

    @property
    def subject(self) -> str:
        return self.id.partition(".")[0]


def describe(docstring: str) -> tuple[str, str, str]:
    """A check's docstring → (claim, why, look); a part that is missing is empty."""
    text = " ".join(docstring.split())
    head, _, look = text.partition(" Look: ")
    claim, _, why = head.partition(" Why: ")
    return claim, why, look


def catalogue(folders: Iterable[Path]) -> dict[str, Described]:
    """Every check in the test files of `folders`, by id; a file that is no Python is pytest's to complain of."""
    found: dict[str, Described] = {}
    for file, function in _functions(folders):
        if id := _id_of(function):
            told = describe(ast.get_docstring(function) or "")
            asks = frozenset(each.arg for each in function.args.args)
            said = _said_of(function)
            each, once = said.get("each"), said.get("once") is True
            found.setdefault(id, Described(id, function.name, file, *told, asks, each, once))
    return found


def ids(folders: Iterable[Path]) -> frozenset[str]:
    """Every id that a policy may name: those of checks, and those that plain tests have by their names."""
    return frozenset(
        _id_of(function) or derived_id(file, function.name)
        for file, function in _functions(folders)
        if _id_of(function) or function.name.startswith("test")
    )


def derived_id(file: Path, function: str) -> str:
    """The id of a plain test, one without `@check`: `tests/test_ours.py::test_motd_is_short` → `ours.motd_is_short`."""
    return f"{subject_of(file)}.{function.removeprefix('test_')}"


def subject_of(file: Path) -> str:
    """The subject of the checks in a test file."""
    return file.stem.removeprefix("test_")


def _functions(folders: Iterable[Path]) -> Iterator[tuple[Path, ast.FunctionDef]]:
    for file in (file for folder in folders for file in sorted(folder.rglob("test_*.py"))):
        with suppress(OSError, SyntaxError, ValueError):
            yield from ((file, node) for node in _functions_in(str(file), file.stat().st_mtime_ns))


@lru_cache(maxsize=256)
def _functions_in(file: str, _changed: int) -> tuple[ast.FunctionDef, ...]:
    """The functions of a file, those of its classes too; an engineer waits for it, so none is looked into."""
    found: list[ast.FunctionDef] = []
    inside: list[ast.AST] = [ast.parse(Path(file).read_bytes())]
    while inside:
        for node in getattr(inside.pop(), "body", ()):
            if isinstance(node, ast.FunctionDef):
                found.append(node)
            elif isinstance(node, ast.ClassDef | ast.If | ast.With | ast.Try):
                inside.append(node)
    return tuple(found)


def _id_of(function: ast.FunctionDef) -> str | None:
    for decorator in function.decorator_list:
        match decorator:
            case ast.Call(
                func=ast.Name(id="check") | ast.Attribute(attr="check"), args=[ast.Constant(value=str(id)), *_]
            ):
                return id
    return None


def _said_of(function: ast.FunctionDef) -> dict[str | None, Any]:
    """What its decorators are told by name, where that is plain."""
    keywords = (word for one in function.decorator_list if isinstance(one, ast.Call) for word in one.keywords)
    return {word.arg: word.value.value for word in keywords if isinstance(word.value, ast.Constant)}
