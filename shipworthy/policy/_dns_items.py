"""What a policy can say of one DNS name: where it resolves, to what, how fast, how evenly, and who vouches for it."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import Part, limit, setting
from shipworthy.policy.language.units import COUNT, RATIO, SECONDS

Family = Literal["ipv4", "ipv6"]
RecordType = Literal["MX", "TXT", "SRV", "CAA", "NS", "PTR"]
FOR_HERE = frozenset({"serials", "delegation", "dnssec", "signatures"})
"""The claims that are made of the authoritative side."""


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise PydanticCustomError("shipworthy_address", "is no IPv4 or IPv6 address") from None


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise PydanticCustomError("shipworthy_address", "is no address, and no network (10.0.0.0/8)") from None
    return str(network.network_address) if network.num_addresses == 1 else str(network)


Address = Annotated[str, AfterValidator(_address)]
Network = Annotated[str, AfterValidator(_network)]


class Name(Part):
    """A name that hosts must be able to look up, or must not."""

    families: list[Family] | None = Field(
        None, min_length=1, description="The families in which it has addresses; without it, those of the estate."
    )
    addresses: list[Network] | None = Field(
        None,
        min_length=1,
        description="Its addresses, or networks in which they lie; those that are named singly must all be there.",
    )
    alias: str | None = Field(None, description="The name that its CNAME leads to.")
    records: dict[RecordType, list[str]] = Field(
        {}, description="What else it has, by type, as in a zone file: `MX: [10 mail.example.org.]`; all of it."
    )
    reverse: bool = Field(
        False, description="Whether each of `addresses` must have a PTR that leads to a name with that address."
    )
    servers: list[Address] | None = Field(
        None, min_length=1, description="Who is asked, by address, instead of the host's own name servers."
    )
    vantage: Literal["host", "here"] = Field(
        "host", description="Where it is looked up: on each host, or here, on the machine that runs the checks."
    )
    must_not_exist: bool = Field(False, description="Whether every server must say NXDOMAIN.")
    authoritative: bool = Field(
        False, description="Whether the servers of its zone are asked as well, from here, from the root down."
    )
    dnssec: bool | None = Field(
        None, description="With `authoritative`: whether it must be signed; without it, what is signed must be valid."
    )
    within: Limit = limit(
        SECONDS,
        warn_above="100 ms",
        fail_above="1 s",
        check="time",
        words="answers after",
        says="How long a server takes for a name that it was asked for a moment ago, and so has at hand.",
        source="Google SRE practice and resolver round trips: 100 ms is another continent; 1 s a client notices",
    )
    cold_within: Limit = limit(
        SECONDS,
        warn_above="1 s",
        fail_above="5 s",
        check="time",
        words="answers, first asked, after",
        says="How long the first answer takes, when a server may have to ask others; and the C library's in all.",
        source="resolv.conf(5): after 5 s the next server is asked",
    )
    weights: dict[Address, int] = Field(
        {}, description="The share that each address should have of the first places in answers: equal numbers are even."
    )
    samples: Annotated[int, Field(ge=2, le=2000)] | None = Field(
        None, description="How many answers are looked at for that; without it, as many as the weights need."
    )

    def applies(self, claim: str) -> bool:
        """Whether there is anything to claim of this name."""
        match claim:
            case "absent":
                return self.must_not_exist
            case "rotation":
                return bool(self.weights)
            case "reverse":
                return self.reverse
            case "serials" | "delegation" | "dnssec" | "signatures":
                return self.authoritative
            case "expected":
                return not self.must_not_exist and bool(self.addresses or self.alias or self.records)
            case _:
                return not self.must_not_exist
