"""Things that policies name, and for which checks are made: on each host, or once for all hosts that name them.

In: the hosts' policies, a check and the field of its items. Out: pairs of host and thing, in the inventory's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shipworthy.plugin.cases import Case, Named
from shipworthy.policy import HostPolicy
from shipworthy.policy.language.subject import Part
from shipworthy.report.text import some

Policies = Mapping[str, HostPolicy]
Pair = tuple[str, Named]


def on_hosts(policies: Policies, check: str, field: str) -> Iterator[Pair]:
    """Every thing of every host to which the check applies."""
    subject, _, claim = check.partition(".")
    for host, policy in policies.items():
        things: Mapping[str, Part] = getattr(policy.subjects[subject], field)
        yield from ((host, Named(subject, field, name)) for name, thing in things.items() if thing.applies(claim))


def once(policies: Policies, check: str, field: str) -> list[Pair]:
    """Every thing once, with the first host that names it: by that host's policy it is judged."""
    first: dict[Named, str] = {}
    for host, thing in on_hosts(_different(policies), check, field):
        first.setdefault(thing, host)
    return [(host, thing) for thing, host in first.items()]


def namers(policies: Policies, case: Case) -> dict[str, HostPolicy]:
    """The policies of the hosts that name the thing of `case`, and to which its check applies there."""
    return {host: policy for host, policy in policies.items() if _names(policy, case)}


def disagreements(policies: Policies, cases: Iterable[Case]) -> list[str]:
    """A notice for each thing of which hosts say different things, though it is judged once."""
    different = _different(policies)
    told: dict[Named, str] = {}
    for case in cases:
        if case.once is None or case.once in told:
            continue
        said = {host: _said(policy, case.once) for host, policy in namers(different, case).items()}
        first, *others = said
        if otherwise := [host for host in others if said[host] != said[first]]:
            whose = f"{case.once.subject}.{case.once.name}, which is judged once, as {first} has it"
            told[case.once] = f"{whose}: the policy of {some(otherwise)} says otherwise of it"
    return list(told.values())


def _different(policies: Policies) -> Policies:
    """Each policy once, under the first of the hosts that share it: a fleet has few."""
    first: dict[int, str] = {}
    for host, policy in policies.items():
        first.setdefault(id(policy), host)
    return {host: policies[host] for host in first.values()}


def _names(policy: HostPolicy, case: Case) -> bool:
    assert case.once is not None
    thing: Part | None = getattr(policy.subjects[case.once.subject], case.once.field).get(case.once.name)
    return thing is not None and thing.applies(case.check.partition(".")[2])


def _said(policy: HostPolicy, thing: Named) -> Any:
    """As texts: where it was said does not matter."""
    return policy.tree.deepest([thing.subject, thing.field, thing.name]).plain()
