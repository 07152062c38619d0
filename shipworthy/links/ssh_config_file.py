"""ssh's configuration file, read as ssh itself reads it: Host and Match blocks, quotes, comments, the first value wins.

In: a file's text, and what was said before it. Out: keywords (lower case) and their arguments. What only ssh can
follow is refused in words where it would matter, or said: a host that was never meant must not be judged.
"""

from __future__ import annotations

import functools
import getpass
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shipworthy.inventory.ssh_options import COLLECTED, HONOURED

Values = dict[str, tuple[str, ...]]
"""Keywords and their arguments; of those that add up (IdentityFile) the arguments of every line."""

_CANONICAL = {"canonicalizehostname", "canonicaldomains", "canonicalizemaxdots"}
_KEPT = HONOURED | _CANONICAL
_WHOLE_LINE = {"proxycommand", "proxyjump"}
"""Keywords whose value is the rest of the line, quotes and all."""

_PASSES = {"canonical", "final"}
_LISTS = {"host", "originalhost", "user", "localuser"}
_FOLLOWED = {"all", "name", *_PASSES, *_LISTS}
_OTHER_WAY = "; --connection=openssh follows it"

_SETTING = re.compile(r'"?(\w+)"?(?:[ \t]*=[ \t]*|[ \t]+|$)(.*)')
_ESCAPE = re.compile(r"""\\(["'\\])""")
_PIECE = re.compile(
    r"""\\(?P<escaped>["'\\ ])"""
    r"""|"(?P<double>(?:\\["'\\]|\\(?!["'\\])|[^"\\])*)\""""
    r"""|'(?P<single>(?:\\["'\\]|\\(?!["'\\])|[^'\\])*)'"""
    r"""|(?P<plain>[^"' \t])"""
)


def words(text: str) -> tuple[str, ...]:
    """The arguments of a line: in quotes or not, up to a comment. Raises ValueError for a quote that is not closed."""
    found, place = [], 0
    while place < len(text := text.rstrip()):
        if text[place] in " \t":
            place += 1
            continue
        if text[place] == "#":
            break
        word = ""
        while place < len(text) and text[place] not in " \t":
            piece = _PIECE.match(text, place)
            if not piece:
                raise ValueError(f"a quote in {text!r} is not closed")
            word += _unescaped(piece)
            place = piece.end()
        found.append(word)
    return tuple(found)


def _unescaped(piece: re.Match[str]) -> str:
    quoted = piece["double"] if piece["double"] is not None else piece["single"]
    if quoted is not None:
        return _ESCAPE.sub(r"\1", quoted)
    return piece["escaped"] or piece["plain"]


def arguments(keyword: str, value: str) -> tuple[str, ...]:
    """What `keyword` is given by `value`, as it stands in a file. Raises ValueError when it is nothing."""
    value = value.strip()
    given = (value,) if keyword in _WHOLE_LINE and value else words(value)
    if not all(given) or not given:
        raise ValueError(f"{keyword} has no value")
    return given


def say(values: Values, keyword: str, given: tuple[str, ...]) -> None:
    """Add one setting to those that were said before it, which go first."""
    if keyword in COLLECTED:
        values[keyword] = tuple(dict.fromkeys((*values.get(keyword, ()), *given)))
    # The two ways through a bastion exclude each other: the first one said is meant.
    elif not (keyword in _WHOLE_LINE and values.keys() & _WHOLE_LINE):
        values.setdefault(keyword, given)


def address(values: Mapping[str, tuple[str, ...]], alias: str) -> str:
    """The name that is connected to: HostName, in which %h is what was asked for."""
    named = values.get("hostname", (alias,))[0]
    return re.sub(r"%([h%])", lambda token: alias if token[1] == "h" else "%", named)


@dataclass(frozen=True)
class _Asked:
    """Whom the file is asked about, and what is known of it so far."""

    alias: str
    name: str
    values: Values
    is_final: bool

    def subject(self, kind: str) -> str:
        match kind:
            case "host" if not self.is_final:
                return address(self.values, self.alias).lower()
            case "host" | "name":
                return self.name
            case "originalhost":
                return self.alias.lower()
            case "user":
                return self.values.get("user", (getpass.getuser(),))[0]
            case _:
                return getpass.getuser()


@dataclass(frozen=True)
class _Criterion:
    kind: str
    """`name` for a Host line, otherwise Match's own word."""
    patterns: tuple[str, ...] = ()
    negated: bool = False

    @property
    def is_followed(self) -> bool:
        return self.kind in _FOLLOWED

    def holds(self, asked: _Asked) -> bool:
        if self.kind == "all":
            return not self.negated
        if self.kind in _PASSES:
            return asked.is_final != self.negated
        return _fits(asked.subject(self.kind), self.patterns) != self.negated


@dataclass(frozen=True)
class _Block:
    place: str
    criteria: tuple[_Criterion, ...]
    settings: list[tuple[str, tuple[str, ...]]]

    def is_for(self, asked: _Asked) -> bool:
        """Raises ValueError when that hangs on what is not followed."""
        if not all(criterion.holds(asked) for criterion in self.criteria if criterion.is_followed):
            return False
        for criterion in self.criteria:
            if not criterion.is_followed:
                raise ValueError(f"{self.place}: `Match {criterion.kind}` is not followed by paramiko{_OTHER_WAY}")
        return True


@dataclass(frozen=True)
class File:
    """A configuration file."""

    blocks: tuple[_Block, ...]
    notices: tuple[str, ...]

    def complete(self, values: Values, alias: str) -> None:
        """Add to `values` what the file says of `alias`. Raises ValueError, in words, for what is not followed."""
        self._read(_Asked(alias, alias, values, is_final=False))
        _refuse_canonical(values, alias)
        if any(criterion.kind == "final" for block in self.blocks for criterion in block.criteria):
            self._read(_Asked(alias, address(values, alias).lower(), values, is_final=True))

    def _read(self, asked: _Asked) -> None:
        for block in self.blocks:
            if block.is_for(asked):
                for keyword, given in block.settings:
                    say(asked.values, keyword, given)


def parse(text: str, path: str) -> File:
    """Raises ValueError, with the place, for what ssh would not read either."""
    blocks = [_Block(path, (), [])]
    notices = []
    for number, line in enumerate(text.split("\n"), 1):
        if not (line := line.strip()) or line.startswith("#"):
            continue
        place = f"{path}:{number}"
        setting = _SETTING.fullmatch(line)
        if not setting:
            raise ValueError(f"{place}: {line!r} is no keyword and value")
        keyword, value = setting[1].lower(), setting[2]
        try:
            if keyword == "host":
                blocks.append(_Block(place, (_Criterion("name", arguments(keyword, value)),), []))
            elif keyword == "match":
                blocks.append(_Block(place, tuple(_criteria(arguments(keyword, value))), []))
            elif keyword == "include":
                notices.append(f"Include {value.strip()} in {place} is not followed by paramiko{_OTHER_WAY}")
            elif keyword in _KEPT:
                blocks[-1].settings.append((keyword, arguments(keyword, value)))
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
    return File(tuple(blocks), tuple(notices))


def _criteria(given: tuple[str, ...]) -> Iterator[_Criterion]:
    rest = iter(given)
    kinds = []
    for word in rest:
        kind, joined, patterns = word.removeprefix("!").partition("=")
        kind = kind.lower()
        kinds.append(kind)
        if kind != "all" and kind not in _PASSES and not joined:
            patterns = next(rest, "")
            if not patterns:
                raise ValueError(f"Match {kind} has no value")
        yield _Criterion(kind, tuple(_folded(kind, patterns).split(",")), negated=word.startswith("!"))
    if "all" in kinds and not {*kinds} <= {"all", *_PASSES}:
        raise ValueError("`Match all` goes with no other criterion")


def _folded(kind: str, patterns: str) -> str:
    """ssh takes no notice of case in names of hosts."""
    return patterns.lower() if kind in ("host", "originalhost") else patterns


def _fits(text: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of the patterns (`*`, `?`) fits, and none of those after a `!` does."""
    fitting = [pattern for pattern in patterns if _fits_one(text, pattern.removeprefix("!"))]
    return bool(fitting) and not any(pattern.startswith("!") for pattern in fitting)


def _fits_one(text: str, pattern: str) -> bool:
    if "*" not in pattern and "?" not in pattern:
        return text == pattern
    return bool(_expression(pattern).fullmatch(text))


@functools.lru_cache(maxsize=2**14)
def _expression(pattern: str) -> re.Pattern[str]:
    """Kept, and more than `re` keeps: a large file is asked about each host of a large fleet."""
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _refuse_canonical(values: Values, alias: str) -> None:
    """ssh would ask the resolver for the name in other domains, and connect to what it finds."""
    wanted = values.get("canonicalizehostname", ("no",))[0].lower() in ("yes", "true", "always")
    most_dots = int(values.get("canonicalizemaxdots", ("1",))[0])
    if wanted and "canonicaldomains" in values and ":" not in alias and alias.count(".") <= most_dots:
        raise ValueError(f"CanonicalizeHostname is not followed by paramiko{_OTHER_WAY}")
