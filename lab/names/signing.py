"""Zones signed with keys of their own, for as long as one says.

In: a zone's text. Out: its text with DNSKEY, NSEC and RRSIG, and the DS for its parent.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

import dns.dnssec
import dns.name
import dns.rdatatype
import dns.rrset
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec
from dns.dnssec import PrivateKey
from dns.rdtypes.ANY.DNSKEY import DNSKEY

HOUR, DAY = 3600, 86400
_KSK = 257
"""A zone key that is a secure entry point."""
_ALGORITHM = 13
"""ECDSA P-256 with SHA-256, RFC 8624: what everybody signs with."""
_DENIED = 300
"""Seconds that a denial lives: the SOA's minimum."""


@dataclass(frozen=True)
class Life:
    """From when to when signatures hold, in seconds from now."""

    since: float = -HOUR
    until: float = 30 * DAY


@cache
def _key(zone: str) -> tuple[PrivateKey, DNSKEY]:
    """A zone's only key, which signs its keys and its data. It is made of the zone's name: nobody need keep it."""
    number = int.from_bytes(sha256(zone.encode()).digest()) >> 1
    private = ec.derive_private_key(number, ec.SECP256R1())
    return private, dns.dnssec.make_dnskey(private.public_key(), _ALGORITHM, flags=_KSK)


def ds(zone: str, *, of: str | None = None) -> str:
    """The DS data of a zone; or that of another zone's key, which is then a wrong one."""
    return dns.dnssec.make_ds(zone, _key(of or zone)[1], "SHA256").to_text()


def signed(
    zone: str, text: str, life: Life, *, broken: tuple[str, str] | None = None, iterations: int | None = None
) -> str:
    """The zone's text, signed. `broken` is the name and type of records whose signature is not theirs.

    With `iterations` names are denied by NSEC3, hashed so many times more than once.
    """
    made = dns.zone.from_text(text, zone, relativize=False)
    inception, expiration = (int(time.time() + seconds) for seconds in (life.since, life.until))
    dns.dnssec.sign_zone(made, keys=[_key(zone)], inception=inception, expiration=expiration)
    if broken:
        _break(made, *broken)
    if iterations is not None:
        _hash(made, iterations, inception, expiration)
    return made.to_text(relativize=False)


def _break(zone: dns.zone.Zone, name: str, type: str) -> None:
    """One bit of a signature is another."""
    with zone.writer() as writer:
        covered = dns.rdatatype.from_text(type)
        signatures = writer.get(name, dns.rdatatype.RRSIG, covered)
        (right,) = signatures
        wrong = right.replace(signature=bytes([right.signature[0] ^ 1, *right.signature[1:]]))
        writer.replace(dns.name.from_text(name), signatures.ttl, wrong)


def _hash(zone: dns.zone.Zone, iterations: int, inception: int, expiration: int) -> None:
    """NSEC3 takes the place of NSEC: RFC 5155, without salt and without opt-out."""
    apex = zone.origin
    assert apex is not None
    key = [_key(apex.to_text())]
    with zone.writer() as writer:

        def add(name: dns.name.Name, type: str, text: str) -> None:
            rrset = dns.rrset.from_text(name, _DENIED, "IN", type, text)
            writer.add(rrset)
            dns.dnssec.default_rrset_signer(writer, rrset, apex, key, key, inception, expiration)

        types = {}
        for name, _, nsec in list(zone.iterate_rdatas("NSEC")):
            types[_hashed(name, iterations)] = nsec.to_text().split()[1:]
            writer.delete(name, dns.rdatatype.NSEC)
            writer.delete(name, dns.rdatatype.RRSIG, dns.rdatatype.NSEC)
        types[_hashed(apex, iterations)].append("NSEC3PARAM")
        hashes = sorted(types)
        for hash, after in zip(hashes, [*hashes[1:], hashes[0]], strict=True):
            held = " ".join(type for type in types[hash] if type != "NSEC")
            add(dns.name.from_text(hash, apex), "NSEC3", f"1 0 {iterations} - {after} {held}")
        add(apex, "NSEC3PARAM", f"1 0 {iterations} -")


def _hashed(name: dns.name.Name, iterations: int) -> str:
    return dns.dnssec.nsec3_hash(name, None, iterations, "SHA1")
