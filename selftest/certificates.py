"""Small worlds of certificates: what is served where, made from one that is well by a few edits; and what is concluded.

    10.0.0.1, fd00::1   www.example.com: leaf, issuing          trusted: the root of both

In: chains by address, what policy says. Out: a `Met`, as a vantage would have found it;
`Judged`, as the suite tells it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from selftest import judged
from selftest.chains import pki
from selftest.chains.pki import Issued
from shipworthy.checks import Item
from shipworthy.errors import NotMeasured
from shipworthy.judging.shown import Shown, shown_of
from shipworthy.outcome import Judged, decide
from shipworthy.policy import HostPolicy
from shipworthy.vantage.meeting import Asked, Endpoint, Met, Seen, Served, Store, Tried

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
NAME, ITEM = "www.example.com", "www"
V4, V6 = "10.0.0.1", "fd00::1"
ROOT = pki.root(subject="CN=root")
ISSUING = pki.intermediate(ROOT, subject="CN=issuing,O=Example Trust")
OTHER_ROOT = pki.root(subject="CN=other root")
MODERN = (("TLSv1", False), ("TLSv1.1", False), ("TLSv1.2", True), ("TLSv1.3", True))


def leaf(*changes: pki.Change, by: Issued = ISSUING, names: Sequence[str] = (NAME,), **fields: Any) -> Issued:
    """A server's certificate, that is right but for the changes; its subject is that of its first name."""
    usual: dict[str, Any] = {"subject": f"CN={names[0]}", "serial": 0xA1}
    return pki.leaf(by, pki.san(*pki.dns(*names)), *changes, **usual | fields)


def living(days: float, left: timedelta, **fields: Any) -> Issued:
    """A leaf with a life of so many days, of which so much is left."""
    end = AT + left
    return leaf(begin=end - days * DAY + SECOND, end=end, **fields)


LEAF = leaf()
RSA_KEY = rsa.generate_private_key(65537, 2048)
BY_RSA = leaf(key=RSA_KEY, serial=0xD4)
"""The same for clients that know RSA alone."""
CHAIN = (LEAF, ISSUING)


def text(issued: Issued | bytes) -> str:
    """As it is kept: DER in base64."""
    return base64.b64encode(issued).decode("ascii") if isinstance(issued, bytes) else issued.text


def fingerprint(issued: Issued) -> str:
    """SHA-256."""
    return sha256(issued.der).hexdigest()


@dataclass(frozen=True)
class Place:
    """What one address shows; `error`: there is none."""

    chain: Sequence[Issued | bytes | str] = CHAIN
    error: str = ""
    rung: str = "tls"
    staple: bytes = b""
    asks: bool = False
    tried: Sequence[tuple[str, bool | None]] = MODERN
    others: Mapping[str, Sequence[Issued | bytes] | str] = field(default_factory=dict)
    """What is shown under other server names, if not the same; a text is the error."""
    by_key: tuple[str, Sequence[Issued | bytes] | str] | None = None
    """A kind of key, and what is shown to who knows it alone; a text is the error."""

    def seen(self, address: str, endpoint: Endpoint) -> Seen:
        """As a vantage would find it."""
        family = "ipv6" if ":" in address else "ipv4"
        own = [] if self.error and self.chain is CHAIN else [_kept(each) for each in self.chain]
        return Seen(
            address,
            family,
            self.rung,
            self.error,
            0.01,
            chain=own,
            staple=text(self.staple) if self.staple else "",
            asks_for_certificate=self.asks,
            tried=[Tried(version, taken, _words(taken)) for version, taken in self.tried if endpoint.versions],
            others=[*(self._under(name, own) for name in endpoint.also_named), *self._by_key(endpoint)],
        )

    def _by_key(self, endpoint: Endpoint) -> Iterator[Served]:
        if self.by_key:
            key, shown = self.by_key
            chain, error = ([], shown) if isinstance(shown, str) else ([_kept(each) for each in shown], "")
            yield Served(endpoint.server_name, chain, error, key)

    def _under(self, name: str, own: list[str]) -> Served:
        shown = self.others.get(name)
        if isinstance(shown, str):
            return Served(name, [], shown)
        return Served(name, own, self.error) if shown is None else Served(name, [_kept(each) for each in shown], "")


def _kept(each: Issued | bytes | str) -> str:
    return each if isinstance(each, str) else text(each)


def _words(taken: bool | None) -> str:
    return "" if taken else "alert protocol_version" if taken is False else "no answer within 5 s"


WELL = Place()
DUAL = Place(by_key=("RSA", (BY_RSA, ISSUING)))
NO_RSA = Place(by_key=("RSA", "alert handshake_failure"))
ONLY_NEW = Place(by_key=("RSA", "alert protocol_version"))
"""TLS 1.3 alone is spoken."""
NOT_ASKED = Place(by_key=("RSA", "not met: the time was up"))


@dataclass(frozen=True)
class World:
    """What is where: by the endpoint's host, by address; a family without an address is told by `absent`."""

    places: Mapping[str, Mapping[str, Place]] = field(default_factory=lambda: {NAME: {V4: WELL, V6: WELL}})
    absent: Mapping[str, str] = field(default_factory=dict)
    """Of every name: by family, why there is none."""
    roots: Sequence[Issued] = (ROOT,)
    store: Store | None = None
    """Instead of one with `roots`."""
    asked: Sequence[Asked] = ()
    error: str = ""

    def met(self, endpoints: Sequence[Endpoint], store: str) -> Met:
        """From one vantage."""
        met = [each for each in endpoints if each.host in self.places]
        seen = [
            [
                *(place.seen(address, each) for address, place in self.places[each.host].items()),
                *(Seen("", family, "resolve", error, 0.01) for family, error in self.absent.items()),
            ]
            for each in met
        ]
        found = self.store or Store(store or "/etc/ssl/ca.pem", 140, [text(each) for each in self.roots], "")
        return Met(met, seen, {store: found}, list(self.asked), self.error, AT.timestamp())


def everywhere(place: Place, *more: str) -> World:
    """The same at both addresses."""
    return World({NAME: dict.fromkeys((V4, V6, *more), place)})


def at_one(place: Place) -> World:
    """Otherwise at the IPv6 address."""
    return World({NAME: {V4: WELL, V6: place}})


def served(*chain: Issued | bytes | str) -> World:
    """This chain at both addresses."""
    return everywhere(Place(chain))


@dataclass(frozen=True)
class Case:
    """A world, what policy says, and what is concluded."""

    outcome: str
    message: str
    world: World = field(default_factory=World)
    said: Mapping[str, Any] = field(default_factory=dict)
    """Of the certificate."""
    policy: Mapping[str, Any] = field(default_factory=dict)
    """Of the subject."""
    after: timedelta = timedelta(0)
    families: tuple[str, ...] = ("ipv4", "ipv6")
    given: Mapping[str, Any] = field(default_factory=dict)
    """Other things that the check is given."""


class Ends:
    """What a check tells of when it will fail."""

    def __init__(self) -> None:
        self.told: list[tuple[datetime, str]] = []

    def fails(self, when: datetime, what: str) -> None:
        self.told.append((when, what))


def policy_of(case: Case) -> HostPolicy:
    said = {"connect": f"{NAME}:443", **case.said}
    return judged.policy(families=case.families, certificates={ITEM: said, **case.policy})


def shown(case: Case, policy: HostPolicy | None = None) -> Shown:
    """As the fixture makes it."""
    policy = policy or policy_of(case)
    said = policy.certificates.endpoints[ITEM]
    met = case.world.met(said.endpoints(), said.store)
    return shown_of(met, ITEM, said, said.expected(policy.families), AT + case.after)


def concluded(check: str, case: Case, ends: Ends | None = None) -> Judged:
    """What the check concludes."""
    policy = policy_of(case)
    item, now = Item(ITEM, policy.certificates.endpoints[ITEM]), AT + case.after
    given: dict[str, Any] = {"item": item, "policy": policy, "now": now, "horizon": ends or Ends(), **case.given}
    try:
        given.setdefault("shown", shown(case, policy))
    except NotMeasured as error:  # as the fixture does
        return decide(error, [], today=now.date())
    return judged.judge("certificates", check, **given)


def told(check: str, case: Case) -> Judged:
    """The same; outcome and message must be those of the case."""
    said = concluded(check, case)
    assert (said.outcome, said.message) == (case.outcome, case.message), said
    return said
