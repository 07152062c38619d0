"""The authoritative side of names: from a root down, every name server of every zone asked by itself.

In: names, where to begin, and over which families. Out: `Authority`: raw answers, so that they can be judged again,
signatures included, at whatever time checks are told.
"""

from __future__ import annotations

from typing import NamedTuple


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
    """What its own servers say: SOA and NS from every address over UDP and TCP; DNSKEY, and for the last zone the
    types of its names, from every address over UDP."""


class Authority(NamedTuple):
    """All zones that were walked."""

    zones: dict[str, Zone]
    zone_of: dict[str, str]
    """The zone that holds a name, by the name."""
    stopped: dict[str, str]
    """By name: why the walk did not come to its zone; `example.org: none of its servers answers`."""
    unroutable: dict[str, str]
    """By family: why this machine cannot speak it; `ipv6: no route`."""
