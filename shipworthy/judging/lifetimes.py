"""How long certificates live, and how much of that is left: the limits of policies on it.

In: certificates, what a policy says of their renewal, a time. Out: verdicts, and the moment at which time alone will
make each of them fail. A life is counted with its first and its last second, as RFC 5280 means it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from shipworthy.judging.shown import Fault, Shown, Spot, gathered
from shipworthy.policy import Limit, Verdict
from shipworthy.policy._certificates_items import Renewed
from shipworthy.policy.language.units import SECONDS
from shipworthy.vantage.chain import judging, names, rules
from shipworthy.vantage.chain.certificate import Certificate

DAY = 86400.0
SHORT, MACHINES = 10 * DAY, 100 * DAY
"""Lives up to which other rules hold: of certificates that live for days, and of those that machines renew."""
_SECOND = timedelta(seconds=1)


class Remaining(NamedTuple):
    """What is left of one certificate, judged."""

    verdict: Verdict
    fails: datetime | None
    """When it will fail by time alone; None where no bound says so."""


def remaining(what: str, said: Renewed, leaf: Certificate, at: datetime, evidence: Iterable[object] = ()) -> Remaining:
    """Of a leaf, by how it is renewed; `what` is how a message begins."""
    begin, end = leaf.validity()
    life, left = (end - begin + _SECOND).total_seconds(), (end - at).total_seconds()
    if said.renewed_by == "manual" or life > MACHINES:
        return _until(what, said.left, end, at, evidence)
    limit = _shared(said, life)
    told = f"{what}: {SECONDS.format(left)} of {SECONDS.format(life)} left, which is"
    fails = None if limit.fail is None else _before(end, life * limit.fail / 100)
    return Remaining(limit.allows(100 * left / life, what=told, evidence=evidence), fails)


def authority(what: str, limit: Limit, each: Certificate, at: datetime, evidence: Iterable[object] = ()) -> Remaining:
    """Of an authority."""
    return _until(what, limit, each.validity()[1], at, evidence)


def _until(what: str, limit: Limit, end: datetime, at: datetime, evidence: Iterable[object]) -> Remaining:
    verdict = limit.allows((end - at).total_seconds(), what=f"{what}: ends in", evidence=evidence)
    return Remaining(verdict, _before(end, limit.fail))


def _shared(said: Renewed, life: float) -> Limit:
    """The bounds as shares of this life: a third less the slack, and a sixth. Of a short life, which machines renew
    within hours, a third and 24 h, unless those are more than the third."""
    limit = said.share_left
    if life > SHORT:
        late = None if limit.warn is None else limit.warn - 100 * said.slack / life
        return replace(limit, warn=late if late is None or limit.fail is None else max(late, limit.fail))
    day = 100 * DAY / life
    return limit if limit.fail is None or (limit.warn is not None and day > limit.warn) else replace(limit, fail=day)


def _before(end: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else end - timedelta(seconds=seconds)


def served(shown: Shown, limit: Limit) -> Iterator[Remaining]:
    """Of every leaf that is shown, and of the intermediates that it needs."""
    leaves: dict[bytes, tuple[Certificate, list[Spot]]] = {}
    authorities: dict[bytes, tuple[Certificate, list[Spot]]] = {}
    for spot, chain in shown.chains():
        for number, each in enumerate(chain.known):
            among = leaves if number == 0 else authorities
            if number == 0 or not (each.is_self_issued or each is chain.anchor):
                among.setdefault(each.der, (each, []))[1].append(spot)
    for each, spots in leaves.values():
        fault = Fault(each.label, tuple(spots))
        yield remaining(shown.line([fault]), shown.said, each, shown.at, shown.evidence([fault]))
    for each, spots in authorities.values():
        fault = Fault(each.label, tuple(spots))
        yield authority(shown.line([fault]), limit, each, shown.at, shown.evidence([fault]))


def too_long(shown: Shown) -> list[Fault]:
    """Leaves that live longer than public certificates may that are issued on their day."""
    return gathered(
        (spot, _too_long(chain.leaf)) for spot, chain in shown.chains() if chain.leaf and _too_long(chain.leaf)
    )


def _too_long(leaf: Certificate) -> str:
    sentences = [each.sentence for each in rules.lifetime(leaf)]
    return f"{sentences[0]} when issued on {leaf.validity()[0]:%Y-%m-%d}" if sentences else ""


def is_private(shown: Shown) -> bool:
    """Whether no public authority can have issued it: by its name, or by its root."""
    try:
        wanted = names.wanted(shown.main)
    except ValueError:
        return False
    return all(judging.is_private(chain.anchor, wanted) for _, chain in shown.chains())


def first_failure(found: Sequence[Remaining]) -> datetime | None:
    """When the first of them will fail."""
    return min((each.fails for each in found if each.fails is not None), default=None)
