"""One name in many hosts' eyes: who sees other addresses than most; and how answers to one host rotate.

In: what each host sees; how often each address came first. Out: the odd ones; counts with the shares that they should
have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import NamedTuple

from shipworthy.judging.lookups import LIBRARY, TYPES, VERSIONS, Looked, knows
from shipworthy.policy._dns_items import FAMILIES, Family

View = frozenset[str]
"""The addresses that a host sees; empty where it is told that there are none."""


class Layer(NamedTuple):
    """How often each address was the first, at one place on the way to who uses it."""

    words: str
    """`www.example.org A on the wire`."""
    counts: Mapping[str, int]
    shares: Mapping[str, int]


def view(looked: Looked, family: Family) -> View | None:
    """What a host sees; None where it cannot tell."""
    if looked.servers is None:
        said = looked.libc.get(family)
        return View(said.addresses) if said and knows(said) else None
    answers = [answer for answer in looked.addresses[family] if answer.reply and not answer.broken]
    return View(address for answer in answers for address in answer.data) if answers else None


def odd_ones(views: Mapping[str, View]) -> dict[str, View]:
    """Hosts that see nothing of what most of them see; none where no view has most of them, as with a CDN's answers.

    Hosts see the same if they share an address, or each shares one with a third that does.
    """
    groups: list[tuple[set[str], set[str]]] = []  # hosts, and the addresses that they see
    for host, addresses in views.items():
        near = [group for group in groups if group[1] & addresses or group[1] == addresses]
        merged = ({host}.union(*(group[0] for group in near)), set(addresses).union(*(group[1] for group in near)))
        groups = [group for group in groups if group not in near] + [merged]
    most = max(groups, key=lambda group: len(group[0]), default=(set(), set()))[0]
    if 2 * len(most) <= len(views):
        return {}
    return {host: addresses for host, addresses in views.items() if host not in most}


def told_apart(what: str, views: Mapping[str, View]) -> list[str]:
    """A line for each of the odd ones: `www.example.org A: db7 sees 10.0.0.9, the other 3 hosts 10.0.0.1`."""
    odd = odd_ones(views)
    usual = _listed(View().union(*(view for host, view in views.items() if host not in odd)))
    others = f"{len(views) - len(odd)} hosts" if len(odd) > 1 else f"the other {len(views) - 1} hosts"
    return [f"{what}: {host} sees {_listed(view)}, {others} {usual}" for host, view in odd.items()]


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


def _listed(view: View) -> str:
    shown = sorted(view)
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "") if shown else "none"
