"""All that claims ask about one certificate: every place where it was met, and what was shown there.

In: what was met from one vantage, and what a policy says of the certificate. Out: `Shown`. A chain is judged once, at
however many places it is shown, and by however many claims it is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from shipworthy.errors import NotMeasured
from shipworthy.judging.endpoints import endpoint as written_endpoint
from shipworthy.judging.wording import SHOWN, first_of
from shipworthy.vantage.meeting import family_of

if TYPE_CHECKING:
    from shipworthy.judging.chains import Chain
    from shipworthy.policy._certificates_items import Certificate
    from shipworthy.vantage.meeting import Asked, Endpoint, Met, Seen, Store

FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}
_CHAINS_TOLD = 3
_OUR_OWN = ("no route", "not met", "not kept", "not asked", "OpenSSL here: ", "the relay on the host")
"""How errors begin that say nothing of the server, but of the vantage."""


@dataclass(frozen=True)
class Spot:
    """One address, as clients meet it that send one server name, or know one kind of key alone."""

    where: str
    """As messages call it: `10.0.0.1`, `10.0.0.1 as api.example.org`, `10.0.0.1 without a name`, `10.0.0.1 by RSA`."""
    endpoint: Endpoint
    seen: Seen = field(repr=False)
    server_name: str
    error: str
    served: tuple[str, ...] = field(repr=False)
    is_main: bool
    """It was met under the endpoint's own name: protocols, staples and so on are known of it."""
    key: str = ""
    """The only kind of key that was offered; empty where both were."""


def is_our_own(error: str) -> bool:
    """Whether it is the vantage that an error speaks of."""
    return error.startswith(_OUR_OWN)


class Fault(NamedTuple):
    """One thing that is wrong, and where."""

    sentence: str
    spots: tuple[Spot, ...]


@dataclass(frozen=True)
class Shown:
    """What was met of one certificate, from one vantage, to be judged at a time."""

    name: str
    said: Certificate = field(repr=False)
    at: datetime
    spots: tuple[Spot, ...] = field(repr=False)
    """Every address that was found; those that were not reached too."""
    absences: tuple[str, ...]
    """Families in which a name has no address, and why."""
    unknown: tuple[str, ...]
    """What was not found out, and why."""
    store: Store | None = field(repr=False)
    asked: Sequence[Asked] = field(repr=False)
    main: str
    """The name that clients ask for."""
    met_at: datetime
    """When that was: what is renewed within days is judged as it was then, whatever time checks are told."""

    @cached_property
    def showing(self) -> tuple[Spot, ...]:
        """The places that showed a certificate; raises NotMeasured where none did."""
        found = tuple(spot for spot in self.spots if spot.served)
        if not found:
            errors = [spot.error for spot in self.spots if spot.error]
            reason = next(iter([*errors, *self.absences, *self.unknown]), "nobody was met")
            raise NotMeasured(f"no certificate was shown: {reason}; see certificates.handshake")
        return found

    @property
    def mains(self) -> list[Spot]:
        """Of the places that showed one, those under the certificate's own name."""
        return [spot for spot in self.showing if spot.is_main]

    @property
    def own(self) -> list[Spot]:
        """The same, and what is shown there for one kind of key alone."""
        return [spot for spot in self.showing if spot.is_main or spot.key]

    def chain(self, spot: Spot) -> Chain:
        """What a place showed, judged; raises NotMeasured where what is stored of it is garbled."""
        from shipworthy.judging.chains import understood

        try:
            private = None if self.said.is_public else True
            return understood(spot.served, self.roots, spot.server_name or self.main, self.at, private)
        except NotMeasured as error:
            raise NotMeasured(f"{self.name}: {error}, at {spot.where}") from error

    def chains(self) -> Iterator[tuple[Spot, Chain]]:
        """Every place that showed one, with what it showed."""
        return ((spot, self.chain(spot)) for spot in self.showing)

    @property
    def roots(self) -> tuple[str, ...]:
        """Of the trust store, those that matter here."""
        return tuple(self.store.roots) if self.store else ()

    @property
    def storeless(self) -> str:
        """Why nothing is known of the roots; empty where they are known."""
        if self.store is None:
            return "the trust store was not read in this run"
        if self.store.error:
            return f"trust store {self.store.path or 'of the system'}: {self.store.error}"
        return ""

    def require(self) -> None:
        """Raise NotMeasured where a leaf cannot be read: of that, nothing else is known either."""
        unread = gathered((spot, "its certificate cannot be read") for spot, chain in self.chains() if not chain.leaf)
        if unread:
            raise NotMeasured(f"{self.line(unread)}; see certificates.trust")

    def line(self, faults: Sequence[Fault], among: Collection[Spot] | None = None) -> str:
        """All of it in one line that names the culprit."""
        return f"{self.name}: {first_of(self._each(faults, among), '; ')}"

    def told(self, faults: Sequence[Fault], among: Collection[Spot] | None = None) -> str:
        """The same with evidence beneath it."""
        return "\n".join([self.line(faults, among), *self.evidence(faults, among)])

    def evidence(self, faults: Sequence[Fault], among: Collection[Spot] | None = None) -> list[str]:
        """What did not fit into the line, and everything about the chains of some places."""
        from shipworthy.judging import evidence

        lines = self._each(faults, among)[SHOWN:]
        told: dict[tuple[str, ...], Spot] = {}
        for spot in (spot for fault in faults for spot in fault.spots):
            told.setdefault(spot.served or (spot.error, spot.where), spot)
        for spot in list(told.values())[:_CHAINS_TOLD]:
            command = evidence.command_for(spot.endpoint, spot.seen.address, spot.server_name, spot.key)
            lines += evidence.evidence(spot.where, self.chain(spot), command) if spot.served else [command]
        return lines

    def _each(self, faults: Sequence[Fault], among: Collection[Spot] | None) -> list[str]:
        whole = self.showing if among is None else among
        return [f"{fault.sentence}{_at(fault.spots, whole)}" for fault in faults]


def gathered(found: Iterable[tuple[Spot, str]]) -> list[Fault]:
    """Each sentence once, with all the places of which it is said."""
    spots: dict[str, list[Spot]] = {}
    for spot, sentence in found:
        if spot not in spots.setdefault(sentence, []):
            spots[sentence].append(spot)
    return [Fault(sentence, tuple(where)) for sentence, where in spots.items()]


def shown_of(met: Met, name: str, said: Certificate, families: Sequence[str], at: datetime) -> Shown:
    """What was met of a certificate. `families`: those in which names must have addresses.

    Raises NotMeasured where none of its endpoints was met in that run.
    """
    spots: list[Spot] = []
    absences: dict[str, None] = {}
    unknown: dict[str, None] = {}
    endpoints = said.endpoints()
    ports = len({endpoint.port for endpoint in endpoints}) > 1
    for endpoint in endpoints:
        seen = met.at(endpoint)
        if seen is None:
            unknown[f"{endpoint.host} was not met in this run"] = None
            continue
        for each in seen:
            if not family_of(endpoint.host) and each.family not in families:
                continue
            if each.address:
                spots += _spots(endpoint, each, ports=ports)
            elif " addresses: only " in each.error:
                unknown[f"{endpoint.host} has {each.error}"] = None
            else:
                (unknown if is_our_own(each.error) else absences)[_absence(endpoint, each)] = None
        if not family_of(endpoint.host):
            for family in (family for family in families if family not in {each.family for each in seen}):
                unknown[f"{endpoint.host} was not resolved in {FAMILIES[family]}"] = None
    if not spots and not absences and not any(map(met.at, endpoints)):
        raise NotMeasured(f"{name}: {met.error or first_of(list(unknown), '; ') or 'it was not met in this run'}")
    main = endpoints[0].server_name or endpoints[0].host
    store = met.stores.get(said.store)
    met_at = datetime.fromtimestamp(met.measured, UTC) if met.measured else at
    return Shown(name, said, at, tuple(spots), tuple(absences), tuple(unknown), store, met.asked, main, met_at)


def _spots(endpoint: Endpoint, seen: Seen, *, ports: bool) -> Iterator[Spot]:
    where = written_endpoint(seen.address, endpoint.port) if ports else seen.address
    yield Spot(where, endpoint, seen, endpoint.server_name, seen.error, tuple(seen.chain), is_main=True)
    for other in seen.others:
        if other.key and not (other.chain or is_our_own(other.error)):
            continue  # it has no second certificate
        also = f"as {other.server_name}" if other.server_name else "without a name"
        also = f"by {other.key}" if other.key else also
        served, name = tuple(other.chain), other.server_name
        yield Spot(f"{where} {also}", endpoint, seen, name, other.error, served, is_main=False, key=other.key)


def _absence(endpoint: Endpoint, seen: Seen) -> str:
    told = f"{endpoint.host} has no {FAMILIES[seen.family]} address"
    return told if seen.error == "no address" else f"{told}: {seen.error}"


def _at(spots: Sequence[Spot], whole: Collection[Spot]) -> str:
    if not spots:
        return ""
    places = [spot.where for spot in spots]
    if len(spots) == len(whole):
        return f", at {first_of(places, most=1)}"
    return f", only at {first_of(places)}"
