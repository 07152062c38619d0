"""What a policy can name of the network: interfaces, peers, listeners; their bounds, and what the probe is asked."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import Part, limit
from shipworthy.policy.language.units import BYTES_PER_SECOND, COUNT, PER_SECOND, PERCENT, SECONDS
from shipworthy.probes.parts.peers import is_metadata

LONGEST_WAIT = 15.0
"""Seconds that a listener may be waited for: with the login and the window, it must fit a host's deadline of 30 s."""
HALF_A_REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\nX-Half-Sent: "
MOST_PACKETS = 500
"""Echo requests to one address: a hundred a second, and no more than five seconds."""

Family = Literal["ipv4", "ipv6"]
Port = Annotated[int, Field(ge=1, le=65535)]


def _no_metadata(address: str) -> str:
    if is_metadata(address):
        raise PydanticCustomError("shipworthy_target", "is an address of a cloud's metadata, which is never asked")
    return address


def _literal(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        raise PydanticCustomError("shipworthy_address", "is no IPv4 or IPv6 address") from None


class Interface(Part):
    """An interface that must be there."""

    throughput: Limit = limit(
        BYTES_PER_SECOND,
        warn_above=None,
        fail_above=None,
        check="interface_throughput",
        words="throughput",
        says="Bytes per second in either direction, such as what a cloud grants: 1 Gbit/s is 125 MB/s.",
        source="yours: no bound by default",
    )
    packets: Limit = limit(
        PER_SECOND,
        warn_above=None,
        fail_above=None,
        check="interface_packets",
        words="packets",
        says="Packets per second in either direction, of which clouds grant so many.",
        source="yours: no bound by default",
    )
    speed: Limit = limit(
        BYTES_PER_SECOND,
        warn_below=None,
        fail_below=None,
        check="interface_present",
        words="speed",
        says="What was negotiated: 10 Gbit/s is 1250 MB/s.",
        source="yours: no bound by default",
    )


class Peer(Part):
    """A host that this one must reach, over each of its addresses."""

    address: Annotated[str, AfterValidator(_no_metadata)] = Field(
        description="An address, or a name, of which every address is tried.", min_length=1, max_length=253
    )
    port: Port | None = Field(None, description="A TCP port there that takes connections; without it, only echoes.")
    families: list[Family] | None = Field(
        None,
        min_length=1,
        description="The families over which it must be reached; without them, those of its addresses.",
    )
    packets: Annotated[int, Field(ge=0, le=MOST_PACKETS)] = Field(
        20,
        description="Echo requests to each address: none lost of n proves a loss below 3/n. 0: it answers none.",
    )
    unanswered: Limit = limit(
        COUNT,
        fail_above="0",
        check="peer_connects",
        words="addresses that take no connection",
        says="Addresses on which the port refuses, or does not answer within 2 s.",
        source="judgement: a client that picks this address waits, or fails",
    )
    loss: Limit = limit(
        PERCENT,
        warn_above="1 %",
        fail_above="5 %",
        check="peer_loss",
        words="echoes lost",
        says="Echo requests without an answer; it fails when more than the limit is proved, with 95 %.",
        source="judgement: TCP's throughput falls with the root of it (RFC 5348)",
    )
    round_trip: Limit = limit(
        SECONDS,
        warn_above="250 ms",
        fail_above=None,
        check="peer_round_trip",
        words="round trip",
        says="The median of the echoes; of a peer that answers none, the quickest connect.",
        source="judgement: farther than the other side of the world",
    )
    mtu: Annotated[int, Field(ge=576, le=9216)] | None = Field(
        None, description="Packets of this size must arrive whole, such as 1500; without it, sizes are not tried."
    )
    retransmissions: Limit = limit(
        PERCENT,
        warn_above="1 %",
        fail_above="3 %",
        check="peer_retransmissions",
        words="segments sent again",
        says="Of what was sent over the connections that are open to it, for as long as they are (ss).",
        source="judgement: 3 % is a broken path between hosts of one estate",
    )

    def wanted(self, claims: set[str]) -> dict[str, Any]:
        """What the probe is asked."""
        echoes = not claims.isdisjoint({"peer_loss", "peer_round_trip", "peer_mtu"})
        return {
            "address": self.address,
            "port": self.port,
            "packets": self.packets if echoes else 0,
            "mtu": self.mtu if "peer_mtu" in claims else None,
            "segments": "peer_retransmissions" in claims,
        }


class HalfSent(Part):
    """A listener of this host that must close on a client that says half a request and then nothing."""

    address: Annotated[str, AfterValidator(_no_metadata), AfterValidator(_literal)] = Field(
        "127.0.0.1", description="The address that it is asked on, from the host itself."
    )
    port: Port = Field(description="Its TCP port.")
    sends: str | None = Field(
        None,
        max_length=4096,
        description="The half of a request; without it, of an HTTP request whose head does not end.",
    )
    within: Limit = limit(
        SECONDS,
        fail_above="10 s",
        check="closes_half_sent",
        words="open to half a request",
        says="How long it may wait for the rest of it; a run waits for 15 s at the most.",
        source="judgement: each such client holds a connection, and with some servers a process",
    )

    def wanted(self) -> dict[str, Any]:
        """What the probe is asked."""
        return {
            "address": self.address,
            "port": self.port,
            "sends": HALF_A_REQUEST if self.sends is None else self.sends,
            "wait_seconds": min(LONGEST_WAIT, max(self.within.fail or 0.0, self.within.warn or 0.0) + 1.0),
        }
