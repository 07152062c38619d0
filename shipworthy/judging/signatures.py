"""Signatures of DNS answers: those that stand in them, and whether one holds.

In: raw answers of a survey. Out: their records and signatures; a reason where a signature is not right now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from shipworthy import dns_messages
from shipworthy.dns_messages import Garbled
from shipworthy.vantage.authority import Asked

_ANY = dns.dnssec.allow_all_policy
"""What must not be used is told apart; here it is only asked whether it holds."""


class Signature(NamedTuple):
    """One RRSIG that was seen on the way."""

    zone: str
    covers: str
    """`www.example.org A`."""
    key_tag: int
    inception: datetime
    expiration: datetime

    @property
    def is_of_registry(self) -> bool:
        """The root made it, or a top-level domain; of the Internet's, nobody here can renew it."""
        return self.zone == "." or "." not in self.zone

    @property
    def life(self) -> timedelta:
        """From beginning to end."""
        return self.expiration - self.inception

    def __str__(self) -> str:
        return f"{self.covers}, key {self.key_tag} of {self.zone}: from {self.inception} to {self.expiration}"


def why_not(zone: str, rrset: dns.rrset.RRset, signature: Any, keys: dns.rrset.RRset, now: float) -> str:
    """What is wrong with a signature of `rrset` that one of the keys of `zone` should have made; nothing if none."""
    by = f"the signature of key {signature.key_tag}"
    if signature.signer != name_of(zone):
        return f"{by} is that of another zone, {text_of(signature.signer)}"
    if all(dns.dnssec.key_id(key) != signature.key_tag for key in keys):
        return f"{by}, and no such key is trusted"
    if signature.expiration < now:
        return f"{by} ended at {when(signature.expiration)}"
    if signature.inception > now:
        return f"{by} begins at {when(signature.inception)}"
    try:
        dns.dnssec.validate_rrsig(rrset, signature, {keys.name: keys}, now=now, policy=_ANY)
    except Exception:  # noqa: BLE001 -- hostile keys: what is under dnspython raises more than its own exceptions
        return f"{by} is wrong"
    return ""


def said(told: Iterable[Asked], name: str, type: str) -> Iterator[tuple[Asked, dns.message.Message]]:
    """The whole answers with authority to questions for `name` and `type` (any, if empty), each distinct one once."""
    seen = set()
    for asked in told:
        key = (asked.type, asked.message)
        if asked.name == name and type in {"", asked.type} and asked.message and key not in seen:
            seen.add(key)
            try:
                message = _understood(asked.wire)
            except Garbled:
                continue
            whole = message.flags & dns.flags.AA and not message.flags & dns.flags.TC
            if whole and message.rcode() in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
                yield asked, message


@lru_cache(1024)
def _understood(wire: bytes) -> dns.message.Message:
    return dns_messages.parsed(wire)


def rrset_of(section: Iterable[dns.rrset.RRset], name: dns.name.Name, type: int) -> dns.rrset.RRset | None:
    """The records of a name and a type, of a section."""
    return next((each for each in section if each.name == name and each.rdtype == type), None)


def signatures_of(section: Iterable[dns.rrset.RRset], rrset: dns.rrset.RRset) -> list[Any]:
    """The signatures of an RRset that stand beside it."""
    return [
        signature
        for each in section
        if each.name == rrset.name and each.rdtype == dns.rdatatype.RRSIG and each.covers == rrset.rdtype
        for signature in each
    ]


def matches(name: dns.name.Name, key: Any, ds: Any) -> bool:
    """Whether a DS is that of a key."""
    if key.algorithm != ds.algorithm or dns.dnssec.key_id(key) != ds.key_tag:
        return False
    made = dns.dnssec.make_ds(name, key, ds.digest_type, policy=_ANY)
    return bool(made.digest == ds.digest)


def name_of(text: str) -> dns.name.Name:
    """As dnspython has it."""
    return dns.name.from_text(text)


def text_of(name: dns.name.Name) -> str:
    """In its one form."""
    return name.canonicalize().to_text(omit_final_dot=True)


def of(zone: str) -> str:
    """A zone, as messages name it."""
    return "the root" if zone == "." else zone


def who(asked: Asked) -> str:
    """A server, as messages name it."""
    return f"{asked.server} {asked.address}".strip()


def when(seconds: int) -> str:
    """A time, as messages have it: of a signature, so the same in each run."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
