"""JSON from those who are not trusted, without what JSON readers disagree on.

In: bytes. Out: plain values; no NaN or infinity (NaN passes every comparison), no duplicate keys, no half characters,
no bottomless nesting. And such values in the form that they must have.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError

from shipworthy.errors import AnswerError, ReplayError

MAX_NESTING = 50


def strict_json(data: bytes) -> Any:
    """The value of a JSON text; raises AnswerError saying what is wrong with it."""
    try:
        value = json.loads(
            data.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_unique,
        )
    except UnicodeDecodeError as error:
        raise AnswerError(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise AnswerError(f"not JSON: {error.msg} at character {error.pos} of {len(data)}") from error
    except RecursionError as error:
        raise AnswerError(f"nested more than {MAX_NESTING} deep") from error
    except ValueError as error:  # an integer of thousands of digits
        raise AnswerError(f"not JSON: {error}") from error
    _bound_depth(value)
    if b"\\ud" in data.lower():
        _refuse_surrogates(value)
    return value


def _refuse_surrogates(value: Any) -> None:
    """Half a character, written as an escape, is valid JSON and would break whoever writes it down later."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise AnswerError("a lone surrogate, which no probe of ours sends") from error


def _bound_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_NESTING):
        level = [part for whole in level for part in _parts(whole)]
        if not level:
            return
    raise AnswerError(f"nested more than {MAX_NESTING} deep")


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _refuse_constant(text: str) -> NoReturn:
    raise AnswerError(f"{text} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise AnswerError(f"{text[:20]} is not a finite number")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise AnswerError(f"duplicate key {twice[:60]!r}")
    return mapping


def with_tuples(value: Any, fields: Collection[str]) -> Any:
    """`value`, in every mapping of which, however deep, the lists under `fields` are tuples, as JSON has none."""
    if isinstance(value, list):
        return [with_tuples(part, fields) for part in value]
    if not isinstance(value, dict):
        return value
    return {
        key: tuple(part) if key in fields and isinstance(part, list) else with_tuples(part, fields)
        for key, part in value.items()
    }


def unpacked(path: Path, at_most: int) -> bytes:
    """The content of a gzip file, `at_most` so many bytes; raises ReplayError that names the file."""
    try:
        with path.open("rb") as file:
            inflate = zlib.decompressobj(wbits=31)
            data = inflate.decompress(file.read(at_most), at_most)
    except OSError as error:
        raise ReplayError.at(str(path), error.strerror or str(error)) from error
    except zlib.error as error:
        raise ReplayError.at(str(path), f"not a gzip file, or a damaged one ({error})") from error
    if inflate.unconsumed_tail:
        raise ReplayError.at(str(path), f"more than {at_most // 2**20} MiB when unpacked")
    if not inflate.eof:
        raise ReplayError.at(str(path), "truncated")
    return data


def validated(kind: type, data: Any, what: str) -> Any:
    """`data` in the form of `kind`, strictly; raises AnswerError that names the place, or `what` as a whole."""
    try:
        return form_of(kind).validate_python(data, strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part)[:40] for part in first["loc"]) or what
        raise AnswerError(f"{place}: {first['msg']}") from error


@cache
def form_of(kind: type) -> TypeAdapter[Any]:
    """What validates a form: dear to make, and made once."""
    return TypeAdapter(kind)
