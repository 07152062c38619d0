"""One policy file → a tree of values, each with its place (`policies/prod.yml:7`). Strict YAML 1.2.

In: bytes. Out: a `Node`, or a PolicyError with file and line. What hostile or careless files do is refused here:
duplicate keys, tabs, aliases that multiply, tags, directives, merge keys, several documents, depth, size, infinity.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from shipworthy.errors import PolicyError, Problem

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_VALUES = 100_000
"""Values in a file after its aliases are written out."""

Scalar = str | int | float | bool | None
Path_ = tuple[str | int, ...]

_TEMPLATE = re.compile(r"\{\{|\{%|\{#")
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,30}|[0-9]{1,30}(\.[0-9]{0,30})?)([eE][-+]?[0-9]{1,3})?", re.ASCII)
_ODD_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: Mapping[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Placed(dict[str, Any]):
    """A plain mapping that still knows its path in the policy and its place in a file."""

    def __init__(self, items: Mapping[str, Any], path: tuple[str, ...], place: str) -> None:
        super().__init__(items)
        self.path = path
        self.place = place


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a policy and where it stands: for a mapping's value, where its key stands."""

    value: dict[str, Node] | list[Node] | Scalar
    place: str
    template: str | None = None
    """The text that the value was rendered from: shown in its stead, as it may come from a secret variable."""

    def shown(self) -> str:
        """The value as a message may show it: short, escaped, and the template instead of what came from one."""
        if self.template is not None:
            return _short(self.template)
        match self.value:
            case dict():
                return "a mapping"
            case list():
                return "a list"
            case None:
                return "null"
            case bool():
                return str(self.value).lower()
            case str():
                return _short(self.value)
            case number:
                return str(number)

    def child(self, key: str | int) -> Node | None:
        if isinstance(self.value, dict):
            return self.value.get(str(key))
        if isinstance(self.value, list) and isinstance(key, int) and 0 <= key < len(self.value):
            return self.value[key]
        return None

    def items(self, key: str) -> list[Node]:
        """The list at `key`; what is none is empty."""
        below = self.child(key)
        return below.value if below is not None and isinstance(below.value, list) else []

    def entries(self, key: str = "") -> dict[str, Node]:
        """The mapping at `key`, or this one; what is none is empty."""
        below = self.child(key) if key else self
        return below.value if below is not None and isinstance(below.value, dict) else {}

    def deepest(self, path: Sequence[str | int]) -> Node:
        """The node at `path`, or the nearest one above it that exists."""
        node = self
        for key in path:
            below = node.child(key)
            if below is None:
                break
            node = below
        return node

    def plain(self, path: tuple[str, ...] = ()) -> Any:
        """Ordinary values, mappings as `Placed`."""
        if isinstance(self.value, dict):
            items = {key: node.plain((*path, key)) for key, node in self.value.items()}
            return Placed(items, path, self.place)
        if isinstance(self.value, list):
            return [node.plain((*path, str(index))) for index, node in enumerate(self.value)]
        return self.value

    def scalars(self, path: Path_ = ()) -> Iterator[tuple[Path_, Node]]:
        """Every value that is neither mapping nor list, with its path."""
        if isinstance(self.value, dict):
            for key, node in self.value.items():
                yield from node.scalars((*path, key))
        elif isinstance(self.value, list):
            for index, node in enumerate(self.value):
                yield from node.scalars((*path, index))
        else:
            yield path, self


def is_template(value: object) -> bool:
    """Whether a value holds `{{ … }}`, which `templates` renders per host, or a kind of Jinja that it will refuse."""
    return isinstance(value, str) and _TEMPLATE.search(value) is not None


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")


def make_ready() -> None:
    """Load the YAML reader, of which a run without a policy file has no need."""
    import_module("ruamel.yaml")


def read(file: Path, name: str) -> Node:
    """The document in `file`, which messages call `name`."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise PolicyError(Problem(name, f"cannot be read: {error.strerror or error}")) from error
    return parse(content, name)


def parse(content: bytes, name: str) -> Node:
    """The one document in `content`. Raises PolicyError."""
    text = _text(content, name)
    # Imported here: a run without a policy file need not wait for it.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return _Builder(YAML(typ="safe", pure=True).parse(text), name).document()
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        since = f" that begins in line {error.context_mark.line + 1}" if error.context_mark else ""
        context = f" {error.context}{since}" if error.context else ""
        raise PolicyError(Problem(f"{name}:{line}", f"no YAML: {error.problem}{context}")) from error
    except YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise PolicyError(Problem(f"{name}:{line}", f"no YAML: {str(error).splitlines()[0]}")) from error
    except (ValueError, LookupError, AttributeError, TypeError, AssertionError, NotImplementedError) as error:
        # ruamel's scanner trips over some malformed input (an escape beyond Unicode) instead of refusing it.
        raise PolicyError(Problem(name, f"no YAML: {type(error).__name__} while reading it")) from error


def _text(content: bytes, name: str) -> str:
    if len(content) > MAX_BYTES:
        raise PolicyError(Problem(name, f"is larger than {MAX_BYTES // 1024} KiB"))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PolicyError(Problem(f"{name}:{line}", "is not UTF-8 text")) from error
    if "\t" in text:
        line = text[: text.index("\t")].count("\n") + 1
        raise PolicyError(Problem(f"{name}:{line}", 'a tab; indent with spaces, and write one in a value as "\\t"'))
    return text


class _Builder:
    """Builds the tree from ruamel's events: they carry lines, styles and aliases, and nothing is constructed."""

    def __init__(self, events: Iterator[Any], name: str) -> None:
        self._events = events
        self._name = name
        self._anchors: dict[str, tuple[Node, int, int]] = {}
        """By name: the node, how many values it holds, and how many levels."""
        self._values = 0
        self._deepest = 0

    def document(self) -> Node:
        next(self._events)  # the stream's start
        start = next(self._events)
        if type(start).__name__ != "DocumentStartEvent":
            raise PolicyError(Problem(self._name, "is empty; a policy without plays is written {}"))
        if start.version or start.tags:
            self._refuse(start, "a directive; policies are YAML 1.2 without any")
        root = self._node(next(self._events), 0)
        next(self._events)  # the document's end
        after = next(self._events)
        if type(after).__name__ != "StreamEndEvent":
            self._refuse(after, "a second document; one file is one policy")
        if not isinstance(root.value, dict):
            raise PolicyError(Problem(root.place, f"a policy is a mapping with plays, not {root.shown()}"))
        return root

    def _node(self, event: Any, depth: int, place: str = "") -> Node:
        place = place or self._place(event)
        if type(event).__name__ == "AliasEvent":
            return self._alias(event, depth, place)
        if event.tag is not None:
            self._refuse(event, f"the tag {event.tag!r}; values here have no tags")
        values, deepest = self._values, self._deepest
        self._deepest = depth
        self._count(event, 1, depth)
        node = Node(self._value(event, depth), place)
        if event.anchor:
            self._anchors[event.anchor] = (node, self._values - values, self._deepest - depth)
        self._deepest = max(deepest, self._deepest)
        return node

    def _value(self, event: Any, depth: int) -> dict[str, Node] | list[Node] | Scalar:
        match type(event).__name__:
            case "ScalarEvent":
                return self._scalar(event)
            case "MappingStartEvent":
                return self._mapping(depth)
            case _:
                return self._sequence(depth)

    def _mapping(self, depth: int) -> dict[str, Node]:
        items: dict[str, Node] = {}
        while type(event := next(self._events)).__name__ != "MappingEndEvent":
            key = self._key(event)
            if key in items:
                first = items[key].place.rpartition(":")[2]
                self._refuse(event, f"{key!r} is there twice, first in line {first}")
            items[key] = self._node(next(self._events), depth + 1, self._place(event))
        return items

    def _sequence(self, depth: int) -> list[Node]:
        items = []
        while type(event := next(self._events)).__name__ != "SequenceEndEvent":
            items.append(self._node(event, depth + 1))
        return items

    def _key(self, event: Any) -> str:
        if type(event).__name__ != "ScalarEvent" or event.tag is not None:
            self._refuse(event, "a key that is no plain text")
        if event.value == "":
            self._refuse(event, "an empty key")
        if event.value == "<<":
            self._refuse(event, "a merge key (<<), which YAML 1.2 does not have; plays merge by themselves")
        if is_template(event.value):
            self._refuse(event, f"the key {event.value!r}; templates stand in values only")
        return self._well_formed(event)

    def _well_formed(self, event: Any) -> str:
        text = str(event.value)
        if any("\ud800" <= character <= "\udfff" for character in text):
            self._refuse(event, "half a character (a lone surrogate)")
        return text

    def _scalar(self, event: Any) -> Scalar:
        text = self._well_formed(event)
        if not event.implicit[0]:  # quoted, or a block: text, whatever it looks like
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        if _ODD_NUMBER.fullmatch(text):
            self._refuse(event, f"{text} is no number that anything can be compared with")
        if _FLOAT.fullmatch(text):
            number = float(text)
            return number if math.isfinite(number) else self._refuse(event, "a number that is too large")
        return text

    def _alias(self, event: Any, depth: int, place: str) -> Node:
        if event.anchor not in self._anchors:
            self._refuse(event, f"*{event.anchor} stands for nothing that was named &{event.anchor} before")
        node, size, levels = self._anchors[event.anchor]
        self._count(event, size, depth + levels)
        return Node(node.value, place)

    def _count(self, event: Any, size: int, depth: int) -> None:
        self._values += size
        self._deepest = max(self._deepest, depth)
        if depth > MAX_DEPTH:
            self._refuse(event, f"nested deeper than {MAX_DEPTH} levels")
        if self._values > MAX_VALUES:
            self._refuse(event, f"more than {MAX_VALUES} values, aliases written out")

    def _place(self, event: Any) -> str:
        return f"{self._name}:{event.start_mark.line + 1}"

    def _refuse(self, event: Any, reason: str) -> NoReturn:
        raise PolicyError(Problem(self._place(event), reason))
