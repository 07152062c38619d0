"""How the answers to one host rotate: whether each address comes first as often as its share says.

In: what was said of a name, shares, limits. Out: `Rotation`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import NamedTuple

from shipworthy.judging.evenness import evenness
from shipworthy.judging.lookups import LIBRARY, TYPES, VERSIONS, Looked
from shipworthy.policy import HostPolicy, Verdict
from shipworthy.policy._dns_items import FAMILIES, samples_needed


class Layer(NamedTuple):
    """How often each address was the first, at one place on the way to who uses it."""

    words: str
    """`www.example.org A on the wire`."""
    counts: Mapping[str, int]
    shares: Mapping[str, int]


class Rotation(NamedTuple):
    """Of all layers, or of those up to one in which an address has no share."""

    verdicts: list[Verdict]
    strange: str = ""
    """What comes first, and has no share."""
    few: tuple[str, ...] = ()
    """Where there were too few answers to tell."""


def rotation(looked: Looked, weights: Mapping[str, int], policy: HostPolicy) -> Rotation:
    """Layer by layer; raises NotMeasured where chance cannot be told."""
    verdicts: list[Verdict] = []
    few = []
    for layer in layers(looked, weights):
        if strange := sorted(layer.counts.keys() - layer.shares.keys()):
            return Rotation(verdicts, f"{layer.words}: {', '.join(strange)} comes first, and has no share")
        total, needed = sum(layer.counts.values()), samples_needed(layer.shares.values())
        found = [*_verdicts(layer, total, policy)] if total else []
        verdicts += found
        if not found and total < needed:
            few.append(f"{layer.words}: {total} answers are too few to tell, and {needed} are needed")
    return Rotation(verdicts, few=tuple(few))


def layers(looked: Looked, weights: Mapping[str, int]) -> Iterator[Layer]:
    """On the wire, and as the C library gives them, which sorts addresses and so may undo what servers do."""
    for family in FAMILIES:
        shares = {each: share for each, share in weights.items() if ip_address(each).version == VERSIONS[family]}
        if len(shares) < 2:
            continue
        what = f"{looked.name} {TYPES[family]}"
        yield Layer(f"{what} on the wire", Counter(looked.firsts(family)), shares)
        if looked.servers is None:
            yield Layer(f"{what} of {LIBRARY}", looked.reading.libc_firsts.get(f"{looked.name}/{family}", {}), shares)


def _verdicts(layer: Layer, total: int, policy: HostPolicy) -> Iterator[Verdict]:
    """On the addresses that come first most and least, by their shares; none where chance alone may do that."""
    found = evenness(layer.counts, layer.shares)
    if found.by_chance:
        return
    evidence = [f"{each} first {layer.counts.get(each, 0)} of {total} times" for each in layer.shares]
    for limit, address in ((policy.dns.uneven, found.most), (policy.dns.neglected, found.least)):
        what = f"{layer.words}, {address}: times that it comes first, by what it should"
        yield limit.allows(found.ratios[address], what=what, evidence=evidence)
