"""Whether a name's answers are signed by whom the root vouches for: the chain, link by link, from the trust anchors.

In: a survey from here, trust anchors, and the time that checks are told. Out: `Chain`.
Each server's answers are judged, not the first good one: a resolver asks any of them. An RRset holds when one of its
signatures does (RFC 4035 5.3.3); all signatures that were seen are told, since a resolver may have kept any.
Sources: RFC 4033 to 4035, 6840; must-not algorithms: RFC 9904 and 9905.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import dns.dnssec
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset

from shipworthy.errors import NotMeasured
from shipworthy.judging.authority import zones_to
from shipworthy.judging.denial import denies, iterations
from shipworthy.judging.signatures import (
    Signature,
    matches,
    name_of,
    of,
    rrset_of,
    said,
    signatures_of,
    text_of,
    who,
    why_not,
)
from shipworthy.vantage.authority import Asked, Authority, Zone
from shipworthy.vantage.iana import TRUST_ANCHORS
from shipworthy.vantage.names import belongs

State = Literal["secure", "insecure", "bogus"]
_WORST_FIRST: Sequence[State] = ("bogus", "insecure", "secure")

ALIASES = 8
MUST_NOT = {1: "RSAMD5", 3: "DSA", 5: "RSASHA1", 6: "DSA-NSEC3-SHA1", 7: "RSASHA1-NSEC3-SHA1", 12: "ECC-GOST"}
"""Algorithms of keys that must not sign: RFC 9904, and 9905 for SHA-1."""
MUST_NOT_DIGEST = {1: "SHA-1", 3: "GOST R 34.11-94"}
_KNOWN = {5, 7, 8, 10, 13, 14, 15, 16}
_KNOWN_DIGESTS = {1, 2, 4}
_PROOFS = {dns.rdatatype.NSEC, dns.rdatatype.NSEC3, dns.rdatatype.SOA}


@dataclass(frozen=True)
class Chain:
    """What becomes of a name for who validates."""

    state: State
    reason: str
    """What breaks the chain, or where it ends: one line; empty where it is whole."""
    zone: str
    """The one that the name is in."""
    signatures: list[Signature] = field(default_factory=list)
    iterations: dict[str, int] = field(default_factory=dict)
    """NSEC3 iterations, by zone; zones without NSEC3 are left out."""
    weak: list[str] = field(default_factory=list)
    """Keys and digests that must not be used: one line each."""


class _Bogus(Exception):
    """Why a validator refuses."""


class _Insecure(Exception):
    """Where what is signed ends, and who says so."""


def judge(authority: Authority, name: str, anchors: Sequence[str] | None, now: datetime) -> Chain:
    """The chain to `name`, and on to where its aliases lead. `anchors` are DS records of the root; None: IANA's.

    Raises NotMeasured where the zone was not come to, or none of its servers answered.
    """
    walk = _Walk(authority, now)
    states: list[tuple[State, str]] = [("secure", "")]
    for each in _with_aliases(authority, name):
        try:
            walk.to(each, anchors or TRUST_ANCHORS)
        except _Bogus as broken:
            states.append(("bogus", str(broken)))
        except _Insecure as end:
            states.append(("insecure", str(end)))
    state, reason = min(states, key=lambda each: _WORST_FIRST.index(each[0]))
    return Chain(state, reason, authority.zone_of[name], walk.signatures, walk.iterations, walk.weak)


class _Walk:
    """From the root down to one name after the other; what was seen on the way is kept."""

    def __init__(self, authority: Authority, now: datetime) -> None:
        self._authority = authority
        self._now = now.timestamp()
        self._keys: dict[str, dns.rrset.RRset | _Bogus | _Insecure] = {}
        self._held: set[tuple[str, str]] = set()
        self.signatures: list[Signature] = []
        self.iterations: dict[str, int] = {}
        self.weak: list[str] = []

    def to(self, name: str, anchors: Sequence[str]) -> None:
        """Raises _Bogus or _Insecure unless everything holds."""
        trusted = [dns.rdata.from_text("IN", "DS", anchor) for anchor in anchors]
        keys = None
        for zone in zones_to(self._authority, name):
            if keys is not None:
                trusted = self._delegated(zone, keys)
            keys = self._keys_of(zone, trusted)
            self._own_records(zone, keys)
        assert keys is not None
        self._answers(zone, name, keys)

    def _keys_of(self, zone: Zone, trusted: Sequence[Any]) -> dns.rrset.RRset:
        """The zone's keys, of which one that `trusted` knows has signed all."""
        if zone.name not in self._keys:
            try:
                self._keys[zone.name] = self._judged_keys(zone, trusted)
            except (_Bogus, _Insecure) as end:
                self._keys[zone.name] = end
        found = self._keys[zone.name]
        if isinstance(found, Exception):
            raise found
        return found

    def _judged_keys(self, zone: Zone, trusted: Sequence[Any]) -> dns.rrset.RRset:
        usable = [ds for ds in trusted if ds.algorithm in _KNOWN and ds.digest_type in _KNOWN_DIGESTS]
        if not usable:
            raise _Insecure(f"{of(zone.name)}: its DS is of an algorithm that nobody here knows")
        self._note_weak_digests(zone, usable)
        name = name_of(zone.name)
        found = None
        for asked, message in said(zone.asked, zone.name, "DNSKEY"):
            keys = rrset_of(message.answer, name, dns.rdatatype.DNSKEY)
            if keys is None:
                raise _Bogus(f"{of(zone.name)}: {who(asked)} has no DNSKEY, though its parent has a DS")
            entries = [key for key in keys if any(matches(name, key, ds) for ds in usable)]
            if not entries:
                tags = ", ".join(sorted(str(ds.key_tag) for ds in usable))
                raise _Bogus(f"{of(zone.name)}: none of its keys is that of its DS (key {tags})")
            self._holds(zone.name, keys, message.answer, dns.rrset.from_rdata_list(name, keys.ttl, entries), asked)
            found = keys
        if found is None:
            raise NotMeasured(f"{of(zone.name)}: none of its servers was heard to say its DNSKEY")
        self._note_weak_keys(zone, found)
        return found

    def _delegated(self, zone: Zone, keys: dns.rrset.RRset) -> list[Any]:
        """The DS of a zone, as its parent has signed it; raises _Insecure where it proves that there is none."""
        name, parent = name_of(zone.name), zone.parent
        trusted: list[Any] = []
        denied = heard = False
        for asked, message in said(zone.from_parent, zone.name, "DS"):
            heard = True
            found = rrset_of(message.answer, name, dns.rdatatype.DS)
            if found is not None:
                self._holds(parent, found, message.answer, keys, asked)
                trusted = trusted or list(found)
                continue
            self._proof(parent, message, name, "DS", keys, asked)
            denied = True
        if not heard:
            raise NotMeasured(f"{of(parent)}: none of its servers was heard to say whether {zone.name} has a DS")
        if denied and trusted:
            raise _Bogus(f"{zone.name}: some servers of {of(parent)} have a DS of it, others deny it")
        if denied:
            signed = any(
                rrset_of(m.answer, name, dns.rdatatype.DNSKEY) for _, m in said(zone.asked, zone.name, "DNSKEY")
            )
            also = ", though it is signed" if signed else ""
            raise _Insecure(f"{zone.name}: {of(parent)} has no DS of it{also}")
        return trusted

    def _own_records(self, zone: Zone, keys: dns.rrset.RRset) -> None:
        for type in ("SOA", "NS"):
            for asked, message in said(zone.asked, zone.name, type):
                found = rrset_of(message.answer, name_of(zone.name), dns.rdatatype.from_text(type))
                if found is not None:
                    self._holds(zone.name, found, message.answer, keys, asked)
        for _, message in said(zone.asked, zone.name, "NSEC3PARAM"):
            self._note_iterations(zone.name, message.answer)

    def _answers(self, zone: Zone, name: str, keys: dns.rrset.RRset) -> None:
        for asked, message in said(zone.asked, name, ""):
            if asked.type in {"DNSKEY", "SOA", "NS", "NSEC3PARAM"}:
                continue
            own = [rrset for rrset in message.answer if self._is_of(rrset, zone)]
            for rrset in own:
                self._holds(zone.name, rrset, message.answer, keys, asked)
            if not message.answer:
                self._proof(zone.name, message, name_of(name), asked.type, keys, asked)

    def _is_of(self, rrset: dns.rrset.RRset, zone: Zone) -> bool:
        """A server may bring along where an alias leads, of another zone of its own: that is judged there."""
        owner = text_of(rrset.name)
        deepest = max((each for each in self._authority.zones if belongs(owner, each)), key=len)
        return rrset.rdtype != dns.rdatatype.RRSIG and deepest == zone.name

    def _proof(
        self,
        zone: str,
        message: dns.message.Message,
        name: dns.name.Name,
        type: str,
        keys: dns.rrset.RRset,
        asked: Asked,
    ) -> None:
        """That there is nothing of a type must be signed too."""
        records = [
            rrset for rrset in message.authority if rrset.rdtype in _PROOFS and rrset.name.is_subdomain(name_of(zone))
        ]
        self._note_iterations(zone, records)
        for rrset in records:
            self._holds(zone, rrset, message.authority, keys, asked)
        if not denies(records, name, type):
            raise _Bogus(f"{of(zone)}: {who(asked)} says without proof that {text_of(name)} has no {type}")

    def _holds(
        self,
        zone: str,
        rrset: dns.rrset.RRset,
        section: Iterable[dns.rrset.RRset],
        keys: dns.rrset.RRset,
        asked: Asked,
    ) -> None:
        """One of the signatures of `rrset` must be right now, by one of `keys`."""
        covers = f"{text_of(rrset.name)} {dns.rdatatype.to_text(rrset.rdtype)}"
        signatures = signatures_of(section, rrset)
        key = (f"{zone} {sorted(each.to_text() for each in keys)}", f"{rrset.to_text()} {signatures}")
        if key in self._held:
            return
        self._note_signatures(zone, covers, signatures)
        reasons = [reason for each in signatures if (reason := why_not(zone, rrset, each, keys, self._now))]
        what = covers if text_of(rrset.name) == zone != "." else f"{of(zone)}: {covers}"
        if not signatures:
            raise _Bogus(f"{what} is not signed ({who(asked)})")
        if len(reasons) == len(signatures):
            raise _Bogus(f"{what}: {reasons[0]} ({who(asked)})")
        self._held.add(key)

    def _note_signatures(self, zone: str, covers: str, signatures: Iterable[Any]) -> None:
        for each in signatures:
            times = (datetime.fromtimestamp(moment, UTC) for moment in (each.inception, each.expiration))
            signature = Signature(zone, covers, each.key_tag, *times)
            if signature not in self.signatures:
                self.signatures.append(signature)

    def _note_iterations(self, zone: str, records: Iterable[dns.rrset.RRset]) -> None:
        most = iterations(records)
        if most is not None:
            self.iterations[zone] = max(most, self.iterations.get(zone, 0))

    def _note_weak_keys(self, zone: Zone, keys: dns.rrset.RRset) -> None:
        for key in keys:
            if key.algorithm in MUST_NOT:
                tag = dns.dnssec.key_id(key)
                self.weak.append(f"{of(zone.name)}: key {tag} is of {MUST_NOT[key.algorithm]}, which must not be used")

    def _note_weak_digests(self, zone: Zone, trusted: Iterable[Any]) -> None:
        best = {ds.digest_type for ds in trusted} - MUST_NOT_DIGEST.keys()
        if not best:
            self.weak.append(f"{of(zone.name)}: its DS is by SHA-1 only, which must not be used")


def _with_aliases(authority: Authority, name: str) -> list[str]:
    """The name, and the names on its way that aliases lead to."""
    found, at = [name], name
    while len(found) <= ALIASES and at in authority.zone_of:
        zone = authority.zones[authority.zone_of[at]]
        replies = [reply for asked in zone.asked if asked.name == at and (reply := asked.heard())]
        targets = [each.text for reply in replies for each in reply.answer if each.type == "CNAME" and each.name == at]
        at = targets[0].lower().rstrip(".") if targets else ""
        if not at or at in found or at not in authority.zone_of:
            break
        found.append(at)
    return found
