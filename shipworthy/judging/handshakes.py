"""Who was met, and who was not: every address of a certificate's endpoints, under every server name.

In: `Shown`. Out: `Fault`s. What is this vantage's own (no route, no time) says nothing of a server, and is told apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from shipworthy.judging.shown import Fault, Shown, Spot, gathered, is_our_own

if TYPE_CHECKING:
    from shipworthy.vantage.meeting import Tried

_OLD_UNLESS_SAID = ("TLSv1", "TLSv1.1")
_NEW_UNLESS_SAID = ("TLSv1.2", "TLSv1.3")


def unmet(shown: Shown) -> list[Fault]:
    """Families without an address, and places without a handshake, or without a certificate."""
    lacking = [Fault(absence, ()) for absence in shown.absences]
    return lacking + gathered((spot, words) for spot in shown.spots if (words := _failure(shown, spot)))


def unreached(shown: Shown) -> list[Fault]:
    """Those of whom nothing is known, for reasons that are this vantage's."""
    found = gathered((spot, spot.error) for spot in shown.spots if is_our_own(spot.error))
    return found + [Fault(words, ()) for words in shown.unknown]


def _failure(shown: Shown, spot: Spot) -> str:
    if is_our_own(spot.error):
        return ""
    if not spot.error:
        return "" if spot.served else "no certificate is shown"
    if not spot.served:
        return f"{spot.endpoint.starttls}: {spot.error}" if spot.seen.rung == "starttls" else spot.error
    if spot.seen.asks_for_certificate:
        return "" if shown.said.client_certificate else f"{spot.error}, as it asks for a client certificate"
    return f"{spot.error}, behind its certificate"


def misspoken(shown: Shown, required: Sequence[str]) -> list[Fault]:
    """Protocol versions that are spoken and should not be, or should be and are not."""
    return gathered((spot, words) for spot in shown.mains for words in _misspoken(spot.seen.tried, required))


def untried(shown: Shown, required: Sequence[str]) -> list[Fault]:
    """Versions that matter, of which it was not found out whether they are spoken."""
    return gathered((spot, words) for spot in shown.mains for words in _untried(spot.seen.tried, required))


def trials(shown: Shown) -> list[str]:
    """What came of each version, a line for each place."""
    return [f"{spot.where}: {', '.join(map(_told, spot.seen.tried))}" for spot in shown.mains]


def _misspoken(tried: Iterable[Tried], required: Sequence[str]) -> Iterator[str]:
    taken = {each.version: each.taken for each in tried}
    for version in _too_old(taken, required):
        if taken[version]:
            yield f"{version} is spoken"
    if required:
        yield from (f"{version} is not spoken" for version in required if taken.get(version) is False)
    elif all(taken.get(version) is False for version in _NEW_UNLESS_SAID):
        yield f"neither {' nor '.join(_NEW_UNLESS_SAID)} is spoken"


def _untried(tried: Iterable[Tried], required: Sequence[str]) -> Iterator[str]:
    words = {each.version: each.words for each in tried}
    taken = {each.version: each.taken for each in tried}
    unknown = [version for version in _too_old(taken, required) if taken[version] is None]
    if required:
        unknown += [version for version in required if taken.get(version) is None]
    elif not any(taken.get(version) for version in _NEW_UNLESS_SAID):
        unknown += [version for version in _NEW_UNLESS_SAID if taken.get(version) is None]
    yield from (f"{version} was not tried: {words.get(version) or 'not in this run'}" for version in unknown)


def _too_old(taken: Iterable[str], required: Sequence[str]) -> list[str]:
    """Of the versions that were tried, in their order, those that must be refused."""
    if not required:
        return [version for version in taken if version in _OLD_UNLESS_SAID]
    versions = list(taken)
    oldest = min((versions.index(version) for version in required if version in versions), default=0)
    return versions[:oldest]


def _told(each: Tried) -> str:
    return f"{each.version} {'spoken' if each.taken else each.words or 'refused'}"
