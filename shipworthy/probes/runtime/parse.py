"""The kernel's texts that several probes read → tables of numbers. Pure and strict.

In: the text of a file and the path to name in errors. Out: typed values. Raises `ParseError`, which names path, line
and field.
"""

import re
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

from shipworthy.probes.runtime.errors import NotSeen, ParseError

KIBIBYTE = 1024

_OCTAL = re.compile(r"\\([0-7]{3})")
_DIGITS = re.compile(r"[0-9]{1,20}")  # 64 bits take no more
_AVERAGES = ("avg10", "avg60", "avg300")
_SIGNED = re.compile(r"[-+]?[0-9]{1,20}(\.[0-9]{1,20})?(e-?[0-9]{1,2})?")
_DECIMAL = re.compile(r"[0-9]{1,20}\.[0-9]{1,9}")


class Table(NamedTuple):
    """Named numbers of one file; or, when the file is not there to be read, why."""

    path: str
    values: Mapping[str, int]
    unseen: str = ""

    def value(self, name: str) -> int:
        """The number called `name`. Raises `NotSeen` when this kernel does not tell it."""
        if self.unseen:
            raise NotSeen(self.unseen)
        try:
            return self.values[name]
        except KeyError:
            raise NotSeen("{} has no {}".format(self.path, name)) from None

    def has(self, name: str) -> bool:
        return name in self.values


class PressureLine(NamedTuple):
    """One line of a pressure file: percent of the last 10, 60, 300 s, and microseconds of stall since boot."""

    avg10: float
    avg60: float
    avg300: float
    total_microseconds: int


def number(text: str, path: str, place: str) -> int:
    """`text` as a whole number without a sign; `place` says where in the file it stands."""
    if not _DIGITS.fullmatch(text):
        raise ParseError("{}: {}: {!r} is not a number".format(path, place, text))
    return int(text)


def decimal(text: str, path: str, place: str) -> float:
    """`text` as a number that may have a sign, a fraction and an exponent."""
    if not _SIGNED.fullmatch(text):
        raise ParseError("{}: {}: {!r} is not a number".format(path, place, text))
    return float(text)


def only_number(text: str, path: str) -> int:
    """The content of a file that holds one number."""
    return number(text.strip(" \t\n"), path, "line 1")


def optional_number(text: str, path: str) -> Optional[int]:
    """A cgroup's limit: a number, or None for `max`."""
    return None if text.strip(" \t\n") == "max" else only_number(text, path)


def parse_meminfo(text: str, path: str = "/proc/meminfo") -> Dict[str, int]:
    """`MemTotal:  24684084 kB` → bytes by name; lines without a unit (`HugePages_Total`) are counts."""
    values: Dict[str, int] = {}
    for index, line in enumerate(_lines(text, path), 1):
        place = "line {} {!r}".format(index, line)
        name, colon, rest = line.partition(":")
        fields = rest.split()
        if not colon or not name.strip() or len(fields) not in (1, 2):
            raise ParseError("{}: {}: not of the form `Name: number kB`".format(path, place))
        if len(fields) == 2 and fields[1] != "kB":
            raise ParseError("{}: {}: the unit is {!r}, not 'kB'".format(path, place, fields[1]))
        if len(fields) == 1 and not name.startswith("HugePages_"):
            raise ParseError("{}: {}: no unit follows".format(path, place))
        if name in values:
            raise ParseError("{}: {}: {} stands twice".format(path, place, name))
        values[name] = number(fields[0], path, place) * (KIBIBYTE if len(fields) == 2 else 1)
    return values


def parse_vmstat(text: str, path: str = "/proc/vmstat") -> Dict[str, int]:
    """`pswpin 17` → 17 by name. A gauge that the kernel has let slip below zero counts as zero."""
    values: Dict[str, int] = {}
    for index, line in enumerate(_lines(text, path), 1):
        place = "line {} {!r}".format(index, line)
        fields = line.split()
        if len(fields) != 2:
            raise ParseError("{}: {}: not of the form `name number`".format(path, place))
        name, value = fields
        if name in values:
            raise ParseError("{}: {}: {} stands twice".format(path, place, name))
        # Per-CPU gauges (nr_dirty …) are summed without a lock, and some kernels print the sum with its sign.
        sign = name.startswith("nr_") and value.startswith("-")
        values[name] = 0 * number(value[1:], path, place) if sign else number(value, path, place)
    return values


def parse_keyed(text: str, path: str) -> Dict[str, int]:
    """A cgroup's flat keyed file, `oom_kill 3`, → numbers by name. An empty file is an empty table."""
    return parse_vmstat(text, path) if text.strip() else {}


def parse_pressure(text: str, path: str) -> Dict[str, PressureLine]:
    """A PSI file → its lines by their first word, `some` and `full`."""
    found: Dict[str, PressureLine] = {}
    for index, line in enumerate(_lines(text, path), 1):
        place = "line {} {!r}".format(index, line)
        name, *fields = line.split()
        if name not in ("some", "full") or name in found:
            raise ParseError("{}: {}: {!r} is not expected here".format(path, place, name))
        pairs = dict(_pair(field, path, place) for field in fields)
        if tuple(pairs) != _AVERAGES + ("total",) or len(fields) != 4:
            raise ParseError("{}: {}: the fields are not avg10, avg60, avg300, total".format(path, place))
        avg10, avg60, avg300 = [_percent(pairs[key], path, place + ": " + key) for key in _AVERAGES]
        found[name] = PressureLine(avg10, avg60, avg300, number(pairs["total"], path, place + ": total"))
    return found


def parse_uptime(text: str, path: str = "/proc/uptime") -> float:
    """Seconds since boot, the first of two fields."""
    fields = text.split()
    if not fields or not _DECIMAL.fullmatch(fields[0]):
        raise ParseError("{}: field 1 of {!r} is not a number of seconds".format(path, text.strip()))
    return float(fields[0])


def lines_of(text: str) -> List[str]:
    """The lines of a text, which only newlines end: names in it may hold what else Python would end a line at."""
    return (text[:-1] if text.endswith("\n") else text).split("\n") if text else []


def unescape(text: str) -> str:
    """A path as the kernel prints it in tables (`\\040` for a blank) → the path."""
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), text)


def delta(before: int, after: int, path: str, name: str) -> int:
    """How far a counter came. Raises `NotSeen` when it went back: that is a reset, no rate."""
    if after < before:
        raise NotSeen("{}: {} went back from {} to {}".format(path, name, before, after))
    return after - before


def _lines(text: str, path: str) -> List[str]:
    if not text:
        raise ParseError("{}: the file is empty".format(path))
    lines = lines_of(text)
    for index, line in enumerate(lines, 1):
        if not line.strip():
            raise ParseError("{}: line {} is empty".format(path, index))
        if line.endswith("\r"):
            raise ParseError("{}: line {} ends with a carriage return, as the kernel's never do".format(path, index))
    return lines


def _pair(field: str, path: str, place: str) -> Tuple[str, str]:
    name, equals, value = field.partition("=")
    if not equals:
        raise ParseError("{}: {}: {!r} is not of the form name=value".format(path, place, field))
    return name, value


def _percent(text: str, path: str, place: str) -> float:
    if not _DECIMAL.fullmatch(text):
        raise ParseError("{}: {}: {!r} is not a percentage".format(path, place, text))
    return float(text)
