"""Every address of endpoints that speak TLS, met by itself, as a client without any fallback would.

In: endpoints, the place from which they are met, the families that names are resolved in, how long each conversation
may take, and all of it. Out: what was seen, by endpoint. Conversations of an address are one after the other; each is a
connection of its own.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Collection, Iterable
from concurrent.futures import Future
from threading import Event
from typing import NamedTuple

from shipworthy.vantage.chain.certificate import read
from shipworthy.vantage.crew import Crew
from shipworthy.vantage.handshake import Handshake, Way, shake
from shipworthy.vantage.meeting import KEYS, Endpoint, Place, Resolved, Seen, Served, Tried, family_of
from shipworthy.vantage.names import usable_addresses

FAMILIES = ("ipv4", "ipv6")
AT_ONCE = 100
"""Addresses; each has at most one socket."""
ADDRESSES = 32
"""Of one name in one family, that are met."""
_NOT_MET = "not met: the time was up"
_MARGIN = 0.3
"""Seconds for those whose time is up to say so."""


def meet(
    endpoints: Iterable[Endpoint],
    place: Place,
    families: Collection[str] = FAMILIES,
    wait: float = 5.0,
    deadline: float = 20.0,
    given_up: Event | None = None,
) -> dict[Endpoint, list[Seen]]:
    """Meet every address of `endpoints`; done within `deadline` seconds.

    A conversation takes `wait` seconds at most, from the connect to the end of the handshake. Whoever does not need it
    any more sets `given_up`: it ends at once, and nobody is met from then on. Raises nothing for what servers do.
    """
    until = time.monotonic() + deadline - _MARGIN
    given_up = given_up or Event()
    meetings = _Meetings(place, wait, until, given_up)
    named: dict[str, list[Endpoint]] = {}
    found: dict[Endpoint, dict[str, list[_Meeting]]] = {endpoint: {} for endpoint in endpoints}
    try:
        for endpoint, by_family in found.items():
            if family := family_of(endpoint.host):
                by_family[family] = [meetings.put(endpoint, endpoint.host, family)]
            else:
                named.setdefault(endpoint.host, []).append(endpoint)
        for resolved in place.resolve([(host, family) for host in named for family in families], until, given_up):
            for endpoint in named[resolved.host]:
                found[endpoint][resolved.family] = meetings.put_all(endpoint, resolved)
        return {
            endpoint: [meetings.seen(each) for family in FAMILIES for each in by_family.get(family, ())]
            for endpoint, by_family in found.items()
        }
    finally:
        meetings.close()


class _Meeting(NamedTuple):
    """One address that is being met."""

    future: Future[Seen]
    otherwise: Seen
    """What is told of it where that does not end in time."""


class _Meetings:
    """Those of one call."""

    def __init__(self, place: Place, wait: float, until: float, given_up: Event) -> None:
        self._crew = Crew(AT_ONCE, "meets", until + _MARGIN, given_up)
        self._place = place
        self._wait = wait
        self._until = until
        self._given_up = given_up

    def put(self, endpoint: Endpoint, address: str, family: str) -> _Meeting:
        """Meet an address, when its turn comes."""
        future = self._crew.put(lambda: self._meet(endpoint, address, family))
        return _Meeting(future, _alike(endpoint, Seen(address, family, "tcp", _NOT_MET, 0.0)))

    def seen(self, meeting: _Meeting) -> Seen:
        """What came of it."""
        return self._crew.result(meeting.future, meeting.otherwise)

    def close(self) -> None:
        """Nobody else is met."""
        self._crew.close()

    def put_all(self, endpoint: Endpoint, resolved: Resolved) -> list[_Meeting]:
        """Meet what a name resolved to."""
        addresses = resolved.addresses[:ADDRESSES]
        usable = usable_addresses(addresses)
        put = [
            self.put(endpoint, address, resolved.family)
            if address in usable
            else _nobody(resolved, "link-local, multicast or unspecified: not met", address)
            for address in addresses
        ]
        if resolved.error:
            put.append(_nobody(resolved, resolved.error))
        if len(resolved.addresses) > ADDRESSES:
            error = f"{len(resolved.addresses)} addresses: only the first {ADDRESSES} were met"
            put.append(_nobody(resolved, error))
        return put

    def _meet(self, endpoint: Endpoint, address: str, family: str) -> Seen:
        way = Way(endpoint.server_name, endpoint.starttls, endpoint.alpn)
        first = self._shake(endpoint, address, way)
        seen = Seen(
            address,
            family,
            first.rung,
            first.error,
            round(first.seconds, 6),
            first.version,
            first.cipher,
            first.alpn,
            _text(first.chain),
            base64.b64encode(first.staple).decode("ascii"),
            first.asks_for_certificate,
            _text(first.authorities),
        )
        if first.rung != "tls" or first.timed_out:  # who is not there, or silent, is not asked again
            return _alike(endpoint, seen)
        tried = [
            _tried(version, self._shake(endpoint, address, way._replace(version=version)))
            for version in endpoint.versions
        ]
        others = [
            Served(name, _text(shaken.chain), shaken.error)
            for name in endpoint.also_named
            for shaken in [self._shake(endpoint, address, way._replace(server_name=name))]
        ]
        return seen._replace(tried=tried, others=others + self._by_other_key(endpoint, address, way, first))

    def _by_other_key(self, endpoint: Endpoint, address: str, way: Way, first: Handshake) -> list[Served]:
        """What a server with two certificates shows to clients that know the other kind of key alone.

        MySQL's, which blocks clients that hang up on it, and has one certificate, is asked only where it is anyway.
        """
        kind = _kind_of_key(first.chain)
        if not kind or (endpoint.starttls == "mysql" and not endpoint.versions):
            return []
        (other,) = set(KEYS) - {kind}
        shaken = self._shake(endpoint, address, way._replace(key=other))
        is_late = shaken.timed_out and time.monotonic() >= self._until
        chain = _text(shaken.chain) if _kind_of_key(shaken.chain) == other else []
        return [Served(endpoint.server_name, chain, _NOT_MET if is_late else shaken.error, other)]

    def _shake(self, endpoint: Endpoint, address: str, way: Way) -> Handshake:
        now = time.monotonic()
        if self._given_up.is_set() or now >= self._until:
            return Handshake(error=_NOT_MET, timed_out=True)
        return shake(self._place, address, endpoint.port, way, min(now + self._wait, self._until))


def _nobody(resolved: Resolved, error: str, address: str = "") -> _Meeting:
    nobody: Future[Seen] = Future()
    seen = Seen(address, resolved.family, "resolve", error, round(resolved.seconds, 6))
    nobody.set_result(seen)
    return _Meeting(nobody, seen)


def _alike(endpoint: Endpoint, seen: Seen) -> Seen:
    """Nothing else of the address is known either, and for the same reason."""
    tried = [Tried(version, None, seen.error) for version in endpoint.versions]
    return seen._replace(tried=tried, others=[Served(name, [], seen.error) for name in endpoint.also_named])


def _tried(version: str, shaken: Handshake) -> Tried:
    if shaken.agreed:
        return Tried(version, True, shaken.error)
    is_known = shaken.begun and not shaken.timed_out
    return Tried(version, False if is_known else None, shaken.error)


def _kind_of_key(chain: list[bytes]) -> str:
    """The leaf's; empty where it cannot be read."""
    try:
        return read(chain[0]).kind_of_key if chain else ""
    except ValueError:
        return ""


def _text(ders: Iterable[bytes]) -> list[str]:
    return [base64.b64encode(der).decode("ascii") for der in ders]
