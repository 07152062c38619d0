"""Whether one certificate is shown everywhere: at every address, from every vantage, under every server name.

In: the same item as several vantages saw it. Out: what each place shows; the odd ones, named. A server may have a
certificate for each kind of key: those of one kind are compared, and whoever has none of a kind is odd too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import NamedTuple

from shipworthy.errors import NotMeasured
from shipworthy.judging import keys
from shipworthy.judging.chains import day, decoded, read, serial
from shipworthy.judging.shown import Shown, Spot
from shipworthy.judging.wording import first_of

_FINGERPRINT = 8
_PLACES = 3


class Places(NamedTuple):
    """Who shows which leaf."""

    by_kind: dict[str, dict[str, list[str]]]
    """By the kind of key, the leaf in base64, and the places that show it; an empty one for those that have none of
    that kind, though others do."""
    silent: dict[str, str]
    """Vantages from which none was seen, and why."""

    @property
    def most(self) -> int:
        """How many can be compared."""
        return max(
            (sum(len(where) for leaf, where in each.items() if leaf) for each in self.by_kind.values()), default=0
        )


def places_of(sighted: Iterable[tuple[str, Shown]]) -> Places:
    """Of one item, from each vantage; a place is told with its vantage where there are several."""
    silent: dict[str, str] = {}
    placed: list[tuple[str, Spot]] = []
    all = list(sighted)
    for vantage, shown in all:
        try:
            showing = shown.showing
        except NotMeasured as error:
            silent[vantage] = str(error)
            continue
        placed += [(f"{spot.where} (from {vantage})" if len(all) > 1 else spot.where, spot) for spot in showing]
    by_kind: dict[str, dict[str, list[str]]] = {}
    for where, spot in placed:
        by_kind.setdefault(keys.kind(spot.served[0]), {}).setdefault(spot.served[0], []).append(where)
    at_once = {keys.kind(spot.served[0]) for _, spot in placed if not spot.key}
    for where, spot in placed:
        for kind in _lacking(spot, by_kind, at_once) if spot.is_main else ():
            by_kind[kind].setdefault("", []).append(where)
    unlike = by_kind.pop("", {})  # is odd among whatever there is
    by_kind.setdefault(next(iter(by_kind), ""), {}).update(unlike)
    return Places(by_kind, silent)


def _lacking(spot: Spot, kinds: Iterable[str], at_once: set[str]) -> list[str]:
    """Kinds of which an address has none: it was asked for it, or others show it `at_once`, to who knows both."""
    shown, missed = keys.shown(spot.seen), at_once | keys.refused(spot.seen)
    return [] if "" in shown else [kind for kind in kinds if kind and kind in missed - shown]


def odd_ones(places: Places) -> list[str]:
    """What is shown where, if not everywhere the same: those in the minority first; where none is, all."""
    return [line for kind, by_leaf in places.by_kind.items() for line in _odd(kind, by_leaf)]


def _odd(kind: str, by_leaf: Mapping[str, list[str]]) -> list[str]:
    if len(by_leaf) < 2:
        return []
    ordered = sorted(by_leaf.items(), key=lambda each: len(each[1]))
    told = [f"{first_of(where, most=_PLACES)} {_shows(where)} {_told(leaf, kind)}" for leaf, where in ordered]
    if len(ordered[-1][1]) == len(ordered[-2][1]):
        return told
    leaf, where = ordered[-1]
    others = f"the other {len(where)} show" if len(where) > 1 else f"{where[0]} shows"
    return [*told[:-1], f"{others} {_told(leaf, kind)}"]


def everywhere(places: Places) -> list[str]:
    """A line for each leaf, with all the places that show it."""
    found = ((kind, leaf, where) for kind, by_leaf in places.by_kind.items() for leaf, where in by_leaf.items())
    return [f"{_told(leaf, kind)}: {', '.join(where)}" for kind, leaf, where in found]


def _shows(where: list[str]) -> str:
    return "shows" if len(where) == 1 else "show"


def _told(text: str, kind: str) -> str:
    """`serial 1A2B, until 2027-02-03, SHA-256 1a2b3c4d`, or `no RSA certificate`."""
    if not text:
        return f"no {kind} certificate"
    fingerprint = sha256(decoded(text)).hexdigest()[:_FINGERPRINT]
    leaf, _ = read(text)
    told = f"serial {serial(leaf)}, until {day(leaf.validity()[1])}, " if leaf else "one that cannot be read, "
    return f"{told}SHA-256 {fingerprint}"
