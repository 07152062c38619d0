"""The authoritative side of names, as `survey.py` finds it and `judging/` judges it.

Answers are kept raw, so that they can be judged again, signatures included, at whatever time checks are told.
"""

from __future__ import annotations

import base64
import binascii
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from shipworthy import dns_messages
from shipworthy.dns_messages import Garbled, Reply


class Asked(NamedTuple):
    """One question to one address, and what became of it."""

    server: str
    """The name server's name; empty for a root server that is known by its address alone."""
    address: str
    transport: str
    """`udp` or `tcp`."""
    name: str
    type: str
    seconds: float
    message: str
    """The answer in base64; empty where there is none."""
    error: str
    """`no answer within 2 s`, `refused`, `no route`, …; empty where there is an answer."""

    @property
    def family(self) -> str:
        """`ipv4` or `ipv6`."""
        return f"ipv{ip_address(self.address).version}"

    def reply(self) -> Reply | None:
        """The answer, understood; None where there is none. Raises Garbled."""
        return _understood(self.wire, self.name, self.type) if self.message else None

    def heard(self) -> Reply | None:
        """The answer, understood; None where there is none that can be."""
        try:
            return self.reply()
        except Garbled:
            return None

    @property
    def wire(self) -> bytes:
        """The answer's bytes; raises Garbled where a stored one is damaged."""
        try:
            return base64.b64decode(self.message, validate=True)
        except binascii.Error:
            raise Garbled("is no base64") from None


@lru_cache(4096)
def _understood(wire: bytes, name: str, type: str) -> Reply:
    """Servers of one zone mostly say the same, to the byte."""
    return dns_messages.reply(wire, name, type)


class Zone(NamedTuple):
    """One zone on the way to a name."""

    name: str
    parent: str
    """Empty for the root."""
    servers: dict[str, list[str]]
    """Its name servers, of the delegation and of the zone itself, and their addresses, of both families."""
    from_parent: list[Asked]
    """What the parent's servers say of it: the referral (NS, with glue), and DS."""
    asked: list[Asked]
    """What its own servers say: SOA from every address over UDP and TCP, over UDP also NS, DNSKEY and the types of
    the names that are in it; and what was said, by whomever, of its name servers' own addresses. A truncated answer is
    followed by the same question over TCP. Of the root and the top-level domains of the Internet it is only what the
    way down needs: DNSKEY, from a few."""


class Authority(NamedTuple):
    """All zones that were walked."""

    zones: dict[str, Zone]
    zone_of: dict[str, str]
    """The zone that holds a name, by the name."""
    stopped: dict[str, str]
    """By name: why the walk did not come to its zone; `example.org: none of its servers answers`."""
    unroutable: dict[str, str]
    """By family: why this machine cannot speak it; `ipv6: no route`."""
