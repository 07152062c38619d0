"""Whether things come as often as they should: shares that were declared against what was counted.

In: counts and shares, by thing. Out: `Evenness`: how far from its share each is, and how likely chance alone does that.
Chance is told by Pearson's χ², or by the exact multinomial test where less than five of a thing are to be expected.
Source: Pearson 1900; Cochran 1954 (five expected).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import comb, erfc, exp, lgamma, log, sqrt
from typing import NamedTuple

from shipworthy.errors import NotMeasured

UNLIKELY = 0.001
"""A probability of chance below which it was none."""
_FEW = 5
_MOST_OUTCOMES = 200_000
_ALIKE = 1e-7
"""Outcomes whose probabilities differ by less are as likely."""


class Evenness(NamedTuple):
    """What was counted, against the shares."""

    probability: float
    """Of counts as far from the shares as these, or further, if the shares were kept."""
    ratios: Mapping[str, float]
    """By thing: its count, by the one that its share makes of all of them."""

    @property
    def by_chance(self) -> bool:
        return self.probability >= UNLIKELY

    @property
    def most(self) -> str:
        """The thing that comes most often by its share."""
        return max(self.ratios, key=self.ratios.__getitem__)

    @property
    def least(self) -> str:
        return min(self.ratios, key=self.ratios.__getitem__)


def evenness(counts: Mapping[str, int], shares: Mapping[str, float]) -> Evenness:
    """Of the things that have a share; raises NotMeasured where nothing of them was counted, or it cannot be told."""
    observed = [counts.get(thing, 0) for thing in shares]
    total, whole = sum(observed), sum(shares.values())
    if not total:
        raise NotMeasured("nothing was counted")
    expected = [total * share / whole for share in shares.values()]
    ratios = {thing: count / due for thing, count, due in zip(shares, observed, expected, strict=True)}
    if min(expected) >= _FEW:
        return Evenness(chi_squared(observed, expected), ratios)
    return Evenness(multinomial(observed, [due / total for due in expected]), ratios)


def chi_squared(observed: Sequence[int], expected: Sequence[float]) -> float:
    """The probability of a χ² as large as this one's."""
    distance = sum((count - due) ** 2 / due for count, due in zip(observed, expected, strict=True))
    return chi_squared_tail(distance, len(observed) - 1)


def chi_squared_tail(distance: float, freedom: int) -> float:
    """P(χ² ≥ `distance`) with so many degrees of freedom.

    The regularised upper incomplete gamma function Q(freedom / 2, distance / 2), which is a finite sum for halves.
    Source: Abramowitz and Stegun 26.4.4 and 26.4.5.
    """
    if distance == 0:
        return 1.0
    half, odd = distance / 2, freedom % 2
    powers = (step + odd / 2 for step in range(freedom // 2))
    terms = (exp(power * log(half) - half - lgamma(power + 1)) for power in powers)
    return min(1.0, (erfc(sqrt(half)) if odd else 0.0) + sum(terms))


def multinomial(observed: Sequence[int], shares: Sequence[float]) -> float:
    """The probability of all outcomes that are no likelier than this; raises NotMeasured where they are too many."""
    total = sum(observed)
    outcomes = comb(total + len(shares) - 1, total)
    if outcomes > _MOST_OUTCOMES:
        raise NotMeasured(f"{total} are too few to tell for {len(shares)} shares as different as these")
    likelihood = _log_likelihood(observed, shares)
    likelihoods = (_log_likelihood(each, shares) for each in _outcomes(total, len(shares)))
    return min(1.0, sum(exp(each) for each in likelihoods if each <= likelihood + _ALIKE))


def _outcomes(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """Every way to make `total` of so many counts."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        yield from ((first, *rest) for rest in _outcomes(total - first, parts - 1))


def _log_likelihood(counts: Sequence[int], shares: Sequence[float]) -> float:
    each = (count * log(share) - lgamma(count + 1) for count, share in zip(counts, shares, strict=True))
    return lgamma(sum(counts) + 1) + sum(each)
