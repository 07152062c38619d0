"""Who listens where, against what a policy says of it.

In: what the probe saw listening, an item of the policy. Out: what is wrong, in words; `NotMeasured` where it cannot be
known.

A socket on `::` serves IPv4 as well, unless it is for IPv6 only: as the kernel said of it, else as net.ipv6.bindv6only
has it. Reachable is what is not bound to loopback alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from shipworthy.errors import NotMeasured
from shipworthy.judging.endpoints import held_by
from shipworthy.policy.ports import Listen, Place, place
from shipworthy.probes.parts.listeners import Listening
from shipworthy.probes.ports import Ports

_ANY = {"ipv4": "0.0.0.0", "ipv6": "::"}  # noqa: S104 -- what others are bound to


class Served(NamedTuple):
    """One listener, and the families of which it serves every address; none where it is bound to one address."""

    listening: Listening
    families: frozenset[str]

    @property
    def loopback(self) -> bool:
        return not self.families and ipaddress.ip_address(self.listening.address).is_loopback

    def reachable_on(self, family: str) -> bool:
        """Whether it can be reached on this family from outside, at some address at least."""
        if self.families:
            return family in self.families
        return not self.loopback and _family(self.listening.address) == family

    def serves(self, address: str) -> bool:
        return _family(address) in self.families or self.listening.address == address

    def held_by(self, processes: Iterable[str]) -> bool | None:
        """Whether one of these programs holds it; None where it cannot be seen who does.

        So it is for another user's descriptors without root, and for a socket that is held beyond this PID namespace.
        """
        if not self.listening.owners:
            return None
        # The kernel keeps 15 characters of a name.
        return bool({name[:15] for name in processes} & {owner.comm for owner in self.listening.owners})

    def __str__(self) -> str:
        one = self.listening
        return f"{one.protocol}/{one.port} on {one.address}: {held_by(one.owners)}"


def served(ports: Ports, listening: Iterable[Listening]) -> list[Served]:
    """Each listener with what it serves."""
    return [Served(one, _families(one, ports)) for one in listening]


def at(all: Iterable[Served], where: Place) -> list[Served]:
    """The listeners on these ports."""
    return [one for one in all if _is_at(one, where)]


def what_is_missing(name: str, said: Listen, all: Iterable[Served], estate: Iterable[str]) -> Iterator[str]:
    """What a required item lacks: nobody there, another's, not on every family or address that it must serve."""
    there = at(all, place(name))
    if not there:
        yield f"nothing listens on {_spoken(name)}"
        return
    held = [one for one in there if not said.processes or one.held_by(said.processes)]
    missing = list(_unserved(name, said, held, estate)) if held else [_anothers(name, said, there)]
    if missing and said.processes:
        _needs_owners(one for one in there if one.held_by(said.processes) is None)
    yield from missing


def _anothers(name: str, said: Listen, there: Iterable[Served]) -> str:
    return f"{_spoken(name)} is held by another than {' or '.join(said.processes)}: {'; '.join(map(str, there))}"


def _unserved(name: str, said: Listen, held: list[Served], estate: Iterable[str]) -> Iterator[str]:
    """The addresses, or else the families, that none of these listeners serves."""
    bound = ", ".join(sorted({one.listening.address for one in held}))
    for address in said.addresses:
        if not any(one.serves(address) for one in held):
            yield f"{_spoken(name)} is not served at {address}: only {bound}"
    for family in () if said.addresses else said.families or estate:
        if not any(one.reachable_on(family) for one in held):
            yield f"{_spoken(name)} is not served on {family}: only {bound}"


def forbidden(items: Iterable[tuple[str, Listen]], all: list[Served]) -> list[Served]:
    """Listeners where nobody may listen. Raises NotMeasured when there are none, but some of which it is not known."""
    named = [(place(name), said) for name, said in items if said.presence == "forbidden"]
    meant = [(one, _is_meant(one, said)) for where, said in named for one in at(all, where)]
    found = [one for one, is_it in meant if is_it]
    if not found:
        _needs_owners(one for one, is_it in meant if is_it is None)
    return found


def unnamed(
    items: Iterable[tuple[str, Listen]], all: Iterable[Served], ports: Ports, *, loopback: bool
) -> list[Served]:
    """Listeners that no item names; those that are forbidden are told of elsewhere. Raises NotMeasured likewise."""
    named = [(place(name), said) for name, said in items]
    judged = [one for one in all if not _is_client(one, ports) and (loopback or not one.loopback)]
    names = [(one, [_names(said, one) for where, said in named if _is_at(one, where)]) for one in judged]
    found = [one for one, answers in names if not {True, None} & set(answers)]
    if not found:
        _needs_owners(one for one, answers in names if True not in answers)
    return found


def _names(said: Listen, one: Served) -> bool | None:
    """Whether an item at whose ports it listens names it; None where it is not known who listens."""
    if said.presence == "forbidden":
        return _is_meant(one, said)
    if said.addresses and one.listening.address not in said.addresses:
        return False
    return one.held_by(said.processes) if said.processes else True


def _is_meant(one: Served, said: Listen) -> bool | None:
    """Whether an item that forbids its ports forbids it; None where it is not known who listens."""
    if said.addresses and not any(one.serves(address) for address in said.addresses):
        return False
    if said.families and not any(one.reachable_on(family) for family in said.families):
        return False
    return one.held_by(said.processes) if said.processes else True


def _needs_owners(unknown: Iterable[Served]) -> None:
    """Raises NotMeasured for the first of those whose holder decides and is not known."""
    for one in unknown:
        raise NotMeasured(f"who listens: {one}" if one.listening.owners == [] else "who listens: needs root")


def _is_at(one: Served, where: Place) -> bool:
    return one.listening.protocol == where.protocol and where.first <= one.listening.port <= where.last


def _is_client(one: Served, ports: Ports) -> bool:
    """A UDP socket without a peer on a port that the kernel gives out looks the same as one that serves."""
    known = ports.range
    return one.listening.protocol == "udp" and known is not None and known.gives(one.listening.port)


def _families(one: Listening, ports: Ports) -> frozenset[str]:
    if one.address == _ANY["ipv4"]:
        return frozenset({"ipv4"})
    if one.address != _ANY["ipv6"]:
        return frozenset()
    v6only = one.v6only if one.v6only is not None else ports.settings.bindv6only != 0
    return frozenset({"ipv6"} if v6only else {"ipv4", "ipv6"})


def _family(address: str) -> str:
    return "ipv6" if ":" in address else "ipv4"


def _spoken(name: str) -> str:
    return name if "/" in name else f"{place(name).protocol}/{name}"
