"""`{{ … }}` in a policy's values: rendered per host, in a sandbox, before validation.

Who may change a policy must not thereby run code here: an expression knows the host's inventory variables and the
filters below, calls nothing, repeats nothing, and its result is bounded. Messages never contain a variable's value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from shipworthy.errors import UsageError

MAX_TEMPLATE = 2000
MAX_TEXT = 64 * 1024

_SECRET = re.compile(r"ansible_.*pass(word|phrase|wd)?", re.IGNORECASE)
_ALLOWED: tuple[type[nodes.Node], ...] = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.List, nodes.Tuple),
    *(nodes.Getattr, nodes.Getitem, nodes.Filter, nodes.Test, nodes.Keyword, nodes.CondExpr, nodes.Concat),
    *(nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos),
)


_Compiled = tuple[Callable[[Mapping[str, object]], str], tuple[str, ...]]
"""What renders, and the variables that it names."""


class TemplateError(ValueError):
    """A template that is refused, or has no value for a host; the message is free of variables' values."""


class Renderer:
    """Checks and renders the templates of a policy, each compiled once."""

    def __init__(self) -> None:
        self._environment = _Sandbox()
        self._compiled: dict[str, _Compiled] = {}

    def check(self, text: str) -> None:
        """Raise TemplateError if `text` is no expression of the allowed kind."""
        self._compile(text)

    def render(self, text: str, variables: Mapping[str, object]) -> str:
        """The text for a host with these variables. Raises TemplateError."""
        render, names = self._compile(text)
        try:
            # Only what is named: an inventory templates a variable when it is looked up.
            result = render({name: variables[name] for name in names if name in variables})
        except UndefinedError as error:
            raise TemplateError(_undefined(str(error.message), text)) from None
        except SecurityError:
            raise TemplateError("reaches for what the sandbox forbids") from None
        except _Refused as error:
            raise TemplateError(str(error)) from None
        except UsageError as error:
            raise TemplateError("; ".join(problem.reason for problem in error.problems)) from None
        except Exception as error:  # noqa: BLE001  a variable may be any object; its text must not reach the message
            raise TemplateError(f"cannot be rendered ({type(error).__name__})") from None
        if len(result) > MAX_TEXT:
            raise TemplateError(f"becomes longer than {MAX_TEXT // 1024} KiB")
        return result

    def _compile(self, text: str) -> _Compiled:
        if text not in self._compiled:
            if len(text) > MAX_TEMPLATE:
                raise TemplateError(f"is longer than the {MAX_TEMPLATE} characters that a template may have")
            try:
                parsed = self._environment.parse(text)
                _refuse_more_than_expressions(parsed)
                names = tuple(sorted({node.name for node in parsed.find_all(nodes.Name)}))
                self._compiled[text] = self._environment.from_string(text).render, names
            except TemplateSyntaxError as error:
                raise TemplateError(f"is no template: {error.message}") from None
            except (RecursionError, MemoryError, SyntaxError):
                raise TemplateError("is nested too deeply") from None
        return self._compiled[text]


class _Refused(Exception):
    """Refused while rendering."""


class _Missing(StrictUndefined):
    """An undefined value whose error names what is missing in a form that `_undefined` takes apart."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        kind = "variable" if self._undefined_obj is missing else "part"
        return f"{kind}:{self._undefined_name}"


def _undefined(message: str, text: str) -> str:
    kind, _, name = message.partition(":")
    if kind == "variable":
        return f"the variable {name!r} is not defined"
    # A name that was itself computed may be a secret: only one that the template spells out is shown.
    return f"there is no {name!r} in its variable" if name and name in text else "a part of its variable is not defined"


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=_Missing, finalize=_finalize, autoescape=False, cache_size=0, optimized=False)
        self.globals.clear()
        self.filters.clear()
        self.filters.update(FILTERS)
        self.tests = {name: self.tests[name] for name in TESTS}

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        # On texts, `*` and `%` are bombs; `~` joins.
        for side in (left, right):
            if not isinstance(side, int | float):
                raise _Refused(f"uses {operator} on what is no number")
        return super().call_binop(context, operator, left, right)


def _finalize(value: object) -> object:
    if isinstance(value, _Missing):
        return str(value)  # raises
    return _bounded(value)


def _refuse_more_than_expressions(template: nodes.Template) -> None:
    for node in _all(template):
        if isinstance(node, nodes.Call):
            raise TemplateError("calls something; a policy knows variables and plain filters, no functions or look-ups")
        if not isinstance(node, _ALLOWED):
            raise TemplateError(f"uses {_spoken(node)}; only {{{{ … }}}} with variables and plain filters is rendered")
        if isinstance(node, nodes.Name) and _SECRET.fullmatch(node.name):
            raise TemplateError(f"uses {node.name}; what the login needs never becomes part of a policy")
        if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
            raise TemplateError("reaches for what the sandbox forbids")


def _all(node: nodes.Node) -> Iterator[nodes.Node]:
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(current.iter_child_nodes())


def _spoken(node: nodes.Node) -> str:
    return {"Pow": "**", "For": "a loop", "If": "{% if %}", "Assign": "{% set %}"}.get(
        type(node).__name__, f"what Jinja calls {type(node).__name__}"
    )


def _bounded(value: object) -> str:
    if not isinstance(value, str | int | float):
        raise _Refused(f"is {_kind(value)}; only text and numbers can stand in a value")
    text = str(value)
    if len(text) > MAX_TEXT:
        raise _Refused(f"becomes longer than {MAX_TEXT // 1024} KiB")
    return text


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list | tuple) else "no plain value"


def _default(value: object, otherwise: object = "", empty_too: bool = False) -> object:
    return otherwise if isinstance(value, _Missing) or (empty_too and not value) else value


def _join(values: Iterable[object], separator: object = "") -> str:
    texts, between = [_bounded(value) for value in values], _bounded(separator)
    if sum(map(len, texts)) + len(between) * len(texts) > MAX_TEXT:
        raise _Refused(f"becomes longer than {MAX_TEXT // 1024} KiB")
    return between.join(texts)


def _replace(value: object, old: object, new: object) -> str:
    text, before, after = _bounded(value), _bounded(old), _bounded(new)
    if text.count(before) * len(after) > MAX_TEXT:
        raise _Refused(f"becomes longer than {MAX_TEXT // 1024} KiB")
    return text.replace(before, after)


def _int(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else int(_bounded(value).strip())


def _first(values: Any) -> object:
    return values[0]


def _last(values: Any) -> object:
    return values[-1]


def _length(value: Any) -> int:
    return len(value)


def _round(value: Any, digits: int = 0) -> float:
    return round(float(value), digits)


FILTERS: Mapping[str, Callable[..., object]] = {
    "abs": abs,
    "d": _default,
    "default": _default,
    "first": _first,
    "float": float,
    "int": _int,
    "join": _join,
    "last": _last,
    "length": _length,
    "lower": lambda value: _bounded(value).lower(),
    "max": max,
    "min": min,
    "replace": _replace,
    "round": _round,
    "string": _bounded,
    "trim": lambda value: _bounded(value).strip(),
    "upper": lambda value: _bounded(value).upper(),
}
"""The plain filters that a policy may use; each bounds what it makes."""

TESTS = ("defined", "undefined", "none", "number", "string", "boolean", "true", "false", "in", "eq", "ne", "lt", "gt")
