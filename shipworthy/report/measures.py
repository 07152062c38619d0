"""A measured value and its limits in words."""

from __future__ import annotations

from shipworthy.policy.language.units import UNITS
from shipworthy.results import Measure

_BY_SYMBOL = {unit.symbol: unit for unit in UNITS.values()}


def quantity(value: float | None, symbol: str) -> str:
    """`512 MiB`, `96.4 %`, `250 ms`, `21 d`, `3`; a missing value is `not measured`."""
    if value is None:
        return "not measured"
    unit = _BY_SYMBOL.get(symbol)
    return unit.format(value) if unit else f"{value:g} {symbol}".rstrip()


def bounds(measure: Measure) -> list[tuple[str, str]]:
    """(`warning level`, `0 B`), (`limit`, `64 MiB`), as far as there are such."""
    pairs = (("warning level", measure.warn), ("limit", measure.fail))
    return [(word, quantity(bound, measure.unit)) for word, bound in pairs if bound is not None]


def measure_in_words(measure: Measure) -> str:
    """`memory.swap_used = 512 MiB (warning level 0 B, limit 64 MiB; policies/prod.yml:7)`."""
    limits = ", ".join(f"{word} {bound}" for word, bound in bounds(measure))
    about = "; ".join(part for part in (limits, measure.origin) if part)
    return f"{measure.name} = {quantity(measure.value, measure.unit)}" + (f" ({about})" if about else "")
