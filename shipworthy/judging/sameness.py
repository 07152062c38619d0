"""Whether one certificate is shown everywhere: at every address, from every vantage, under every server name.

In: the same item as several vantages saw it. Out: what each place shows; the odd ones, named.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from shipworthy.errors import NotMeasured
from shipworthy.judging.chains import day, decoded, read, serial
from shipworthy.judging.shown import Shown
from shipworthy.judging.wording import first_of

_FINGERPRINT = 8
_PLACES = 3


class Places(NamedTuple):
    """Who shows which leaf."""

    by_leaf: dict[str, list[str]]
    """The leaf in base64, and the places that show it."""
    silent: dict[str, str]
    """Vantages from which none was seen, and why."""

    @property
    def all(self) -> int:
        """How many show one."""
        return sum(map(len, self.by_leaf.values()))


def places_of(sighted: Iterable[tuple[str, Shown]]) -> Places:
    """Of one item, from each vantage; a place is told with its vantage where there are several."""
    found = Places({}, {})
    all = list(sighted)
    for vantage, shown in all:
        try:
            showing = shown.showing
        except NotMeasured as error:
            found.silent[vantage] = str(error)
            continue
        for spot in showing:
            where = f"{spot.where} (from {vantage})" if len(all) > 1 else spot.where
            found.by_leaf.setdefault(spot.served[0], []).append(where)
    return found


def odd_ones(places: Places) -> list[str]:
    """What is shown where, if not everywhere the same: those in the minority first; where none is, all."""
    if len(places.by_leaf) < 2:
        return []
    ordered = sorted(places.by_leaf.items(), key=lambda each: len(each[1]))
    told = [f"{first_of(where, most=_PLACES)} {_shows(where)} {_told(leaf)}" for leaf, where in ordered]
    if len(ordered[-1][1]) == len(ordered[-2][1]):
        return told
    leaf, where = ordered[-1]
    others = f"the other {len(where)} show" if len(where) > 1 else f"{where[0]} shows"
    return [*told[:-1], f"{others} {_told(leaf)}"]


def everywhere(places: Places) -> list[str]:
    """A line for each leaf, with all the places that show it."""
    return [f"{_told(leaf)}: {', '.join(where)}" for leaf, where in places.by_leaf.items()]


def _shows(where: list[str]) -> str:
    return "shows" if len(where) == 1 else "show"


def _told(text: str) -> str:
    """`serial 1A2B, until 2027-02-03, SHA-256 1a2b3c4d`."""
    fingerprint = sha256(decoded(text)).hexdigest()[:_FINGERPRINT]
    leaf, _ = read(text)
    told = f"serial {serial(leaf)}, until {day(leaf.validity()[1])}, " if leaf else "one that cannot be read, "
    return f"{told}SHA-256 {fingerprint}"
