"""Signed zones for tests: text in, a zone that any server can serve, its keys, and the DS that its parent needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import dns.dnssec
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec
from dns.dnssectypes import Algorithm

NOW = datetime(2027, 1, 15, 12, tzinfo=UTC)
"""When the tests of signatures take place."""
WEEK = timedelta(days=7)


@cache
def key(name: str, role: str) -> tuple[Any, Any]:
    """A key and its DNSKEY; the same for the same zone and role, within one run."""
    private = ec.generate_private_key(ec.SECP256R1())
    return private, dns.dnssec.make_dnskey(
        private.public_key(), Algorithm.ECDSAP256SHA256, flags=257 if role == "ksk" else 256
    )


def ds(name: str, role: str = "ksk") -> str:
    """The DS of a zone's key, as a zone file and `trust_anchors` write it."""
    return str(dns.dnssec.make_ds(dns.name.from_text(name), key(name, role)[1], "SHA256"))


@dataclass
class Signed:
    """A zone, made of text without SOA; `ends` and `begins` are those of its signatures."""

    name: str
    records: str
    serial: int = 1
    signed: bool = True
    begins: datetime = NOW - WEEK
    ends: datetime = NOW + 2 * WEEK
    keys: tuple[str, ...] = ("ksk", "zsk")
    extra: str = field(default="", repr=False)
    """Put in after signing."""

    def zone(self) -> dns.zone.Zone:
        """As it is served."""
        soa = f"@ 300 IN SOA ns1 hostmaster {self.serial} 14400 3600 604800 300\n"
        zone = dns.zone.from_text(soa + self.records, dns.name.from_text(self.name), relativize=False)
        if self.signed:
            keys = [key(self.name, role) for role in self.keys]
            dns.dnssec.sign_zone(zone, keys=keys, inception=self.begins, expiration=self.ends)
        return zone

    def text(self) -> str:
        """As a zone file."""
        return f"$ORIGIN {self.name}\n" + self.zone().to_text(relativize=False) + "\n" + self.extra
