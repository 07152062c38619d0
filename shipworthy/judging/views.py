"""One name in many hosts' eyes: who sees other addresses than most.

In: hosts' policies, and what each said. Out: what each sees; the odd ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from shipworthy.errors import NotMeasured
from shipworthy.judging.lookups import TYPES, Looked, asked_of, knows
from shipworthy.judging.wording import first_of
from shipworthy.policy import HostPolicy
from shipworthy.policy._dns_items import FAMILIES, Family, Name
from shipworthy.snapshot import Snapshot

View = frozenset[str]
"""The addresses that a host sees; empty where it is told that there are none."""


class Views(NamedTuple):
    """What a set of hosts sees of the names that they are to see the same of."""

    by_what: dict[str, dict[str, View]]
    """By `www.example.org A`, then by host."""
    missing: dict[str, str]
    """Hosts that told nothing, and why."""

    @property
    def hosts(self) -> int:
        """How many see one of these names, at most."""
        return max(map(len, self.by_what.values()), default=0)

    def odd(self) -> list[str]:
        """A line for each of the odd ones."""
        return [line for what, views in self.by_what.items() if len(views) > 2 for line in told_apart(what, views)]


def views_of(policies: Mapping[str, HostPolicy], snapshot_of: Callable[[str], Snapshot]) -> Views:
    """Of the names that each host's policy has it look up, but for those whose addresses are declared."""
    views = Views({}, {})
    for host, policy in policies.items():
        names = {name: said for name, said in policy.dns.names.items() if _is_compared(said)}
        if not names:
            continue
        try:
            snapshot = snapshot_of(host)
            reading = snapshot.reading("dns")
        except NotMeasured as reason:
            views.missing[host] = str(reason)
            continue
        questions = asked_of(snapshot)
        for name, said in names.items():
            looked = Looked(name, reading, questions, said.servers)
            for family in FAMILIES:
                if (addresses := view(looked, family)) is not None:
                    views.by_what.setdefault(f"{name} {TYPES[family]}", {})[host] = addresses
    return views


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


def _is_compared(said: Name) -> bool:
    return said.vantage == "host" and not said.must_not_exist and not said.addresses


def _listed(view: View) -> str:
    return first_of(sorted(view), most=3) or "none"
