"""How the network's counters and echoes are judged: over which time they moved, and what so many packets prove.

In: a reading, the counters of an earlier run. Out: shares with the time they speak of, families, bounds. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import exp, lgamma, log
from typing import NamedTuple

from shipworthy.errors import NotMeasured
from shipworthy.policy import HostPolicy
from shipworthy.policy.language.units import SECONDS
from shipworthy.probes.network import Network
from shipworthy.probes.parts import shares
from shipworthy.probes.parts.peers import Address
from shipworthy.probes.parts.routes import Family
from shipworthy.snapshot import Previous

_SURE = 0.95
_NAMES = {"ipv4": "IPv4", "ipv6": "IPv6"}


class Moved(NamedTuple):
    """How far counters came, and in which time."""

    by: Mapping[str, int]
    seconds: float
    told: str
    """`in 1 s`, `since the last run, 8 h ago`."""


class Loss(NamedTuple):
    """A share that was lost, and in which time."""

    lost: shares.Lost
    moved: Moved

    def __str__(self) -> str:
        return f"{self.lost.lost} of {self.lost.of} {self.moved.told}"


def since_last_run(network: Network, previous: Previous, names: Iterable[str]) -> Moved:
    """What was added since the last run of this boot; without one, or when a counter was reset, in the window."""
    wanted = tuple(names)
    for name in wanted:
        if name not in network.counters:
            raise NotMeasured(_why_not_counted(network, name))
    past = {name: previous.counter("network", name) for name in wanted}
    known = {name: value for name, value in past.items() if value is not None and value <= network.counters[name]}
    if previous.seconds_ago is not None and len(known) == len(wanted):
        by = {name: network.counters[name] - value for name, value in known.items()}
        return Moved(by, previous.seconds_ago, f"since the last run, {SECONDS.format(previous.seconds_ago, 2)} ago")
    return in_window(network, wanted)


def in_window(network: Network, names: Iterable[str]) -> Moved:
    """What was added in the window; raises NotMeasured where there was none, or a counter was reset in it."""
    wanted = tuple(names)
    if network.seconds is None:
        raise NotMeasured(f"{wanted[0]}: {network.unseen['seconds']}")
    for name in wanted:
        if name not in network.counters:
            raise NotMeasured(_why_not_counted(network, name))
        if name not in network.moved:
            raise NotMeasured(f"{name}: it was reset in the window")
    by = {name: network.moved[name] for name in wanted}
    return Moved(by, network.seconds, f"in {SECONDS.format(network.seconds, 2)}")


def share(network: Network, previous: Previous, of: shares.Share) -> Loss:
    """What was lost of it since the last run, or in the window."""
    moved = since_last_run(network, previous, _names(network, of))
    return Loss(shares.lost(of, moved.by), moved)


def retransmitted(network: Network, previous: Previous, floor: float) -> Loss:
    """The share of segments sent again: now, if enough were sent in the window, else since the last run."""
    moved = in_window(network, _names(network, shares.RETRANSMITTED))
    loss = Loss(shares.lost(shares.RETRANSMITTED, moved.by), moved)
    return loss if loss.lost.of >= floor else share(network, previous, shares.RETRANSMITTED)


def is_told(network: Network, *names: str) -> bool:
    """Whether this kernel counts it: old ones lack some, while the file is there."""
    return all(name in network.counters for name in names)


def frames(network: Network, make: Callable[[str, str], shares.Share]) -> Iterator[tuple[str, shares.Share]]:
    """A share of the frames of each interface that counts them, in each direction: `eth0 received`, `eth0 sent`."""
    for each in network.interfaces or ():
        for direction, words in (("rx", "received"), ("tx", "sent")):
            one = make(each.name, direction)
            if is_told(network, *one.lost, *one.kept):
                yield f"{each.name} {words}", one


def half(network: Network) -> list[str]:
    """The families that the host has half, in words: an address nobody can answer to, or a route nobody can use.

    On a network without any default route, nothing is missing; nor does a unique local IPv6 address want one.
    """
    assert network.routing is not None
    both = {"IPv4": network.routing.ipv4, "IPv6": network.routing.ipv6}
    anywhere = any(family.default_routes for family in both.values())
    return [f"{name}: {lack}" for name, family in both.items() if (lack := _lack(family, anywhere))]


def lacking(network: Network, policy: HostPolicy) -> list[str]:
    """Of the families that the policy says, those that the host does not have whole, in words."""
    assert network.routing is not None
    found = []
    for name in policy.families:
        family: Family = getattr(network.routing, name)
        lacks = ["no global address"] if family.addresses == [] else []
        lacks += [] if family.default_routes else ["no default route"]
        if lacks:
            found.append(f"{_NAMES[name]}: {', '.join(lacks)}")
        elif family.addresses is None:
            raise NotMeasured(f"{_NAMES[name]} addresses: {network.unseen[f'routing.{name}.addresses']}")
    return found


def bounds(sent: int, lost: int) -> tuple[float, float]:
    """The least and the most loss, in percent, that so many packets leave possible, each with 95 %.

    Clopper and Pearson 1934; of none lost, the most is about 3/n.
    """
    least = 0.0 if lost == 0 else _root(lambda p: 1 - _at_most(lost - 1, sent, p) - (1 - _SURE))
    most = 1.0 if lost == sent else _root(lambda p: (1 - _SURE) - _at_most(lost, sent, p))
    return 100 * least, 100 * most


def proof(address: Address) -> str:
    """What so many packets prove, in words: `0 of 20 lost, which proves less than 13.9 %`."""
    lost = address.sent - address.answered
    least, most = bounds(address.sent, lost)
    if lost == 0:
        return f"0 of {address.sent}, which proves less than {most:.3g} %"
    return f"{lost} of {address.sent}, which proves more than {least:.3g} %"


def _lack(family: Family, anywhere: bool) -> str:
    if family.default_routes and family.addresses == []:
        return f"a default route through {', '.join(family.default_routes)}, and no global address"
    if family.addresses and family.public and anywhere and not family.default_routes:
        return f"address {family.addresses[0]}, and no default route"
    return ""


def _names(network: Network, of: shares.Share) -> tuple[str, ...]:
    return (*of.lost, *of.kept, *(name for name in of.harmless if name in network.counters))


def _why_not_counted(network: Network, name: str) -> str:
    reason = network.unseen.get(f"counters.{name}") or network.unseen.get("counters") or "not measured"
    return f"{name}: {reason}"


def _at_most(most: int, of: int, p: float) -> float:
    """The probability of at most so many of `of`, each with probability `p`."""
    if p in (0.0, 1.0):
        return 1.0 if p == 0.0 or most >= of else 0.0
    start = lgamma(of + 1)
    terms = (
        exp(start - lgamma(k + 1) - lgamma(of - k + 1) + k * log(p) + (of - k) * log(1 - p)) for k in range(most + 1)
    )
    return min(1.0, sum(terms))


def _root(rising: Callable[[float], float]) -> float:
    """Where a rising function of a probability is zero."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
