"""pydantic's errors → problems with file, line, path, reason and the nearest known key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from re import fullmatch, match
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from shipworthy.errors import Problem
from shipworthy.policy.language.direct import NEAR
from shipworthy.policy.language.document import Node, is_template
from shipworthy.policy.language.form import VALUE_ERROR, WHOLE_ERROR
from shipworthy.policy.language.subject import SIDE_ERROR, UNIT_ERROR, Bounded, Part

Location = tuple[str | int, ...]


def problems_of(
    error: ValidationError, tree: Node, model: type[Part], above: Location = (), *, partial: bool = False
) -> Iterator[Problem]:
    """Every error in `tree`, which `model` refused; `above` is the path that leads to it.

    `partial`: the tree is one play by itself. What is missing in it may stand in another, and what is rendered per host
    is not there yet.
    """
    for one in error.errors(include_url=False):
        location = tuple(one["loc"])
        node = tree.deepest(location)
        if location[-1:] == ("[key]",):  # pydantic's way to tell that it is a mapping's key that is wrong
            location = location[:-1]
            node = Node(str(location[-1]), node.place)
        if partial and _judged_later(one["type"], location, node):
            continue
        reason = _misplaced(model, location) if one["type"] == "extra_forbidden" else ""
        reason = reason or _reason(one, node, keys_at(model, location[:-1]))
        yield Problem(f"{node.place}: {spoken((*above, *written(location, model)))}", reason)


def _judged_later(kind: str, location: Location, node: Node) -> bool:
    if kind == WHOLE_ERROR:
        return True
    if kind == "missing":
        return location[0] != "waivers" and len(location) > len(("plays", 0, "hosts"))
    return kind != "extra_forbidden" and is_template(node.value)


def written(location: Location, model: type[Part]) -> Location:
    """A path in what `model` describes, without the fields that nobody writes (see `direct`)."""
    keys: list[str | int] = []
    current: Any = model
    for key in location:
        if not (_is_part(current) and current.DIRECT and key == current.DIRECT):
            keys.append(key)
        current = _below(current, key)
    return tuple(keys)


def spoken(location: Location) -> str:
    """A path as people write it: `memory.swap_used`, `plays[2].hosts`, `waivers[1].until`."""
    if location[:1] == ("plays",) and len(location) > len(("plays", 0, "hosts")):
        location = location[2:]
    text = ""
    for key in location:
        if isinstance(key, int):
            text += f"[{key + 1}]"
        else:
            text += ("." if text else "") + (key if fullmatch(r"[\w.*:/@%+-]+", key) else repr(key))
    return text


def _misplaced(model: type[Part], location: Location) -> str:
    """What is known, but elsewhere."""
    if len(location) == 1 and location[0] in keys_at(model, ("plays", 0)):
        return "belongs in a play, beneath `plays:` and beside its `hosts:`"
    if location[:1] == ("plays",) and len(location) == len(("plays", 0, "key")) and location[2] in model.model_fields:
        return "belongs to the whole file, beside `plays:`"
    return ""


def _reason(error: Any, node: Node, known: Iterable[str]) -> str:
    context, kind = error.get("ctx", {}), error["type"]
    if kind == "extra_forbidden":
        if error["loc"][-1] in _BOUNDS:
            return f"a limit has one direction, and this one's is: {', '.join(known)}"
        return f"unknown key{suggestion(str(error['loc'][-1]), known)}"
    if kind in _SAID:
        return _SAID[kind]
    if kind == SIDE_ERROR:
        return _wrong_side(node, context["warn"], context["fail"])
    if node.value is None:
        return "cannot be null; null removes a bound or an item, and a check is left out by `off`, with a reason"
    if kind in {UNIT_ERROR, VALUE_ERROR, WHOLE_ERROR}:
        return f"{node.shown()} {context['reason']}"
    if kind == "literal_error":
        return f"{node.shown()} is not {context['expected']}"
    if kind in _BEYOND:
        return f"{node.shown()} is {_BEYOND[kind].format(**context)}"
    wanted = _WANTED.get(kind)
    return f"{wanted} is wanted here, not {node.shown()}" if wanted else f"{node.shown()}: {error['msg']}"


_BOUNDS = ("warn_above", "fail_above", "warn_below", "fail_below")
_WANTED = {
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "a mapping"),
    **dict.fromkeys(("string_type", "string_too_short"), "text"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("int_type", "int_parsing"), "a whole number"),
    "list_type": "a list",
}
_BEYOND = {"greater_than_equal": "less than {ge}", "less_than_equal": "more than {le}"}
_SAID = {"missing": "is missing", "too_short": "is empty"}


def _wrong_side(limit: Node, warn: str, fail: str) -> str:
    parts = []
    for key in (warn, fail):
        bound = limit.child(key)
        where = f" ({bound.place})" if bound is not None and bound.place != limit.place else ""
        parts.append(f"{key} {bound.shown() if bound is not None else '?'}{where}")
    return f"{parts[0]} lies beyond {parts[1]}: it would never warn"


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean swap_used?`, or what there is to choose from when nothing is near and it is little."""
    names = list(known)
    near = get_close_matches(word, names, n=1, cutoff=NEAR)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known are {', '.join(names)}" if 0 < len(names) <= _FEW else ""


_FEW = 16


def keys_at(model: Any, location: Location) -> tuple[str, ...]:
    """The keys that are known in the mapping at `location` of what `model` describes."""
    current: Any = model
    for key in location:
        current = _below(current, key)
    if isinstance(current, Bounded):
        return current.keys
    return tuple(key for key in current.model_fields if key != current.DIRECT) if _is_part(current) else ()


def has_default(model: Any, location: Location) -> bool:
    """Whether what is at `location` is a limit or a setting."""
    current: Any = model
    for key in location[:-1]:
        current = _below(current, key)
    return _is_part(current) and location[-1] in current.declarations()


def _is_part(model: Any) -> bool:
    return isinstance(model, type) and issubclass(model, Part)


def _below(model: Any, key: str | int) -> Any:
    """What describes the value at `key` of what `model` describes; None where nothing does."""
    if _is_part(model):
        return _field(model.model_fields.get(str(key)))
    arguments = [argument for argument in get_args(model) if argument is not type(None)]
    return arguments[-1] if arguments else None


def _field(info: FieldInfo | None) -> Any:
    if info is None:
        return None
    declared = next((one for one in info.metadata if isinstance(one, Bounded)), None)
    if declared is not None:
        return declared
    if get_origin(info.annotation) in {Union, UnionType}:
        return next(one for one in get_args(info.annotation) if one is not type(None))
    return info.annotation


def unknown_check(id: str, known: Iterable[str]) -> str:
    """The reason why a check's id is refused."""
    return f"there is no check {id!r}{suggestion(id, known)}"


def ordered(problems: Iterable[Problem]) -> list[Problem]:
    """Each once; those of a file together, in the order of its lines."""
    found = list(dict.fromkeys(problems))
    files = list(dict.fromkeys(_file_and_line(problem)[0] for problem in found))
    return sorted(found, key=lambda problem: (files.index(_file_and_line(problem)[0]), _file_and_line(problem)[1]))


def _file_and_line(problem: Problem) -> tuple[str, int]:
    found = match(r"(.*?):(\d+)(?:: |$)", problem.place)
    return (found[1], int(found[2])) if found else (problem.place, 0)
