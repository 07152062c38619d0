"""Values as people write them (`64 MiB`, `250 ms`, `80 %`, `10 /s`) and the plain numbers that are compared.

A unit parses a text into a number of its base unit and formats such a number for people. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

_TEXT = re.compile(r"(?P<sign>[-+]?)(?P<number>[0-9]{1,15}(?:\.[0-9]{1,12})?) ?(?P<symbol>[^\s0-9.].{0,15})?", re.ASCII)


class UnitError(ValueError):
    """A text is no value of its unit; the message never contains that text, which may come from a secret."""


@dataclass(frozen=True)
class Unit:
    """One kind of quantity. `symbol` is the base unit in which it is measured and compared."""

    kind: str
    """What it is, in words: `a size`."""
    symbol: str
    scales: Mapping[str, float] = field(hash=False, repr=False)
    """How many base units one of each written symbol is; the symbol `""` allows a plain number."""
    steps: tuple[tuple[float, str], ...] = field(repr=False)
    """The symbols to show a value in, ascending."""
    example: str
    most: float | None = None
    whole: bool = False
    """Only whole numbers of the written symbol make sense."""

    def parse(self, value: object) -> float:
        """`64 MiB` → 67108864.0. Raises UnitError, which says what is wrong and gives an example."""
        match = _TEXT.fullmatch(_text(value))
        if match is None:
            raise UnitError(f"is not {self.kind}, such as {self.example}")
        if match["sign"] == "-":
            raise UnitError(f"is negative; {self.kind} is 0 or more")
        number = float(match["number"])
        if self.whole and not number.is_integer():
            raise UnitError(f"is not a whole number, such as {self.example}")
        return self._bounded(number * self._scale(number, (match["symbol"] or "").strip()))

    def _scale(self, number: float, symbol: str) -> float:
        scale = self.scales.get(re.sub(r"^/ +", "/", symbol))
        if scale is not None:
            return scale
        if not symbol and number == 0:
            return 1.0  # nothing is nothing in every unit
        written = [known for known in self.scales if known]
        if not symbol:
            choice = f" ({', '.join(written)})" if len(written) > 1 else ""
            raise UnitError(f"has no unit; write it as in {self.example}{choice}")
        hint = f"; did you mean {' or '.join(near)}?" if (near := _near(symbol, written)) else ""
        raise UnitError(f"has a unit that is not known here ({', '.join(written) or 'none is wanted'}){hint}")

    def _bounded(self, number: float) -> float:
        if self.most is not None and number > self.most:
            raise UnitError(f"is more than {self.format(self.most)}")
        return number

    def format(self, value: float, digits: int = 3) -> str:
        """A number of base units as people read it: `512 MiB`, `96.4 %`, `21 d`; `digits` significant ones."""
        magnitude = abs(value)
        chosen = 0
        for index, (size, _) in enumerate(self.steps):
            if magnitude >= size:
                chosen = index
        text = _significant(value / self.steps[chosen][0], digits)
        if chosen + 1 < len(self.steps) and abs(float(text)) * self.steps[chosen][0] >= self.steps[chosen + 1][0]:
            text = _significant(value / self.steps[chosen + 1][0], digits)  # 1023.99 MiB is shown as 1 GiB
            chosen += 1
        return f"{text} {self.steps[chosen][1]}".rstrip()

    @property
    def pattern(self) -> str:
        """A regular expression for editors: what a text of this unit looks like."""
        symbols = "|".join(re.escape(symbol) for symbol in self.scales if symbol)
        number = r"[0-9]+" if self.whole else r"[0-9]+(\.[0-9]+)?"
        plain = "?" if "" in self.scales else ""
        return rf"^(0|{number}( ?({symbols})){plain})$" if symbols else rf"^{number}$"


def _near(symbol: str, known: Sequence[str]) -> list[str]:
    folded = {one.casefold(): one for one in known}
    begun = [one for text, one in folded.items() if text.startswith(symbol.casefold())]
    return begun or [folded[text] for text in get_close_matches(symbol.casefold(), folded, n=1)]


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    if isinstance(value, float):
        return format(value, ".9f").rstrip("0").rstrip(".")
    return str(value).strip()


def _significant(number: float, digits: int) -> str:
    """`number` with at least `digits` significant digits, whole part kept, no trailing zeros, no exponent."""
    if number == 0:
        return "0"
    before = len(str(int(abs(number)))) if abs(number) >= 1 else 0
    text = f"{number:.{max(0, digits - before)}f}" if before else f"{float(f'{number:.{digits}g}'):.12f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


_SIZES = {"B": 1.0} | {f"{prefix}iB": 1024.0**power for power, prefix in enumerate("KMGTP", start=1)}
_DECIMAL_SIZES = {f"{prefix}B": 1000.0**power for power, prefix in enumerate("kMGTP", start=1)}
_SPANS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PER = {"/s": 1.0, "/min": 1 / 60, "/h": 1 / 3600}


def _steps(scales: Mapping[str, float], *symbols: str) -> tuple[tuple[float, str], ...]:
    return tuple((scales[symbol], symbol) for symbol in symbols)


BYTES = Unit("a size", "B", _SIZES | _DECIMAL_SIZES, _steps(_SIZES, *_SIZES), "64 MiB")
PERCENT = Unit("a share", "%", {"%": 1.0}, ((1.0, "%"),), "80 %", most=100.0)
SECONDS = Unit("a time span", "s", _SPANS, _steps(_SPANS, "µs", "ms", "s", "min", "h", "d"), "250 ms")
COUNT = Unit("a count", "1", {"": 1.0}, ((1.0, ""),), "3", whole=True)
RATIO = Unit("a number", "1", {"": 1.0}, ((1.0, ""),), "1.5")
PER_SECOND = Unit("a rate", "1/s", _PER, ((1.0, "/s"),), "10 /s")
BYTES_PER_SECOND = Unit(
    "a throughput",
    "B/s",
    {f"{symbol}/s": scale for symbol, scale in (_SIZES | _DECIMAL_SIZES).items()},
    tuple((scale, f"{symbol}/s") for symbol, scale in _SIZES.items()),
    "1 MiB/s",
)

UNITS: Mapping[str, Unit] = {
    "size": BYTES,
    "share": PERCENT,
    "time span": SECONDS,
    "count": COUNT,
    "number": RATIO,
    "rate": PER_SECOND,
    "throughput": BYTES_PER_SECOND,
}
"""Every unit, by the word that the reference uses for it."""
