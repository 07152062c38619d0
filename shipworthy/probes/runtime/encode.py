"""Readings → values that JSON knows, and the one line that leaves the host.

In: NamedTuples of numbers, texts, lists, dicts and None. Out: dicts, and ASCII bytes of bounded length.
"""

import json
from typing import Any, Dict

AT_MOST = 2**21
"""Bytes that a host may answer; the other side reads no more."""

_DEEPEST = 20
_INFINITE = float("inf")


def encode(value: Any, where: str = "reading") -> Any:
    """`value` with NamedTuples as dicts and lone surrogates replaced.

    Raises ValueError for NaN, infinity and too much depth, TypeError for what JSON does not know; both say where.
    """
    if where.count(".") + where.count("[") > _DEEPEST:
        raise ValueError("{} lies too deep".format(where))
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return _finite(value, where)
    if isinstance(value, str):
        return _sound(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        names = value._fields
        return {name: encode(item, where + "." + name) for name, item in zip(names, value)}
    if isinstance(value, (list, tuple)):
        return [encode(item, "{}[{}]".format(where, index)) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {_key(name, where): encode(item, "{}.{}".format(where, name)) for name, item in value.items()}
    raise TypeError("{} is of type {}".format(where, type(value).__name__))


def line(document: Dict[str, Any]) -> bytes:
    """`document` as one ASCII line of JSON of at most `AT_MOST` bytes, its end included.

    Where it would be longer, the longest readings give way to an error that says so.
    """
    probes = document["probes"]
    text = _dump(document)
    while len(text) >= AT_MOST:
        name = max(probes, key=lambda one: len(_dump(probes[one])))
        size = len(_dump(probes[name]))
        if "error" in probes[name]:
            raise ValueError("the answer is longer than {} bytes without any reading".format(AT_MOST))
        error = "TooLong: the reading takes {} bytes, all may take {}".format(size, AT_MOST)
        probes[name] = {"version": probes[name]["version"], "error": error}
        text = _dump(document)
    return text.encode("ascii") + b"\n"


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def _finite(value: float, where: str) -> float:
    if value != value or value in (_INFINITE, -_INFINITE):
        raise ValueError("{} is {}".format(where, value))
    return value


def _key(name: Any, where: str) -> str:
    if not isinstance(name, str):
        raise TypeError("{} has a key of type {}".format(where, type(name).__name__))
    return _sound(name)


def _sound(text: str) -> str:
    """Bytes that were no UTF-8 arrive here as lone surrogates, which no strict reader takes."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in text)
    return text
