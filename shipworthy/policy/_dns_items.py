"""What a policy can say of one DNS name: where it resolves, to what, how fast, how evenly, and who vouches for it."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, LiteralString, NoReturn

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from shipworthy.policy.language.form import VALUE_ERROR, WHOLE_ERROR
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import Part, limit
from shipworthy.policy.language.units import SECONDS
from shipworthy.probes.parts.peers import is_metadata

Family = Literal["ipv4", "ipv6"]
RecordType = Literal["MX", "TXT", "SRV", "CAA", "NS", "PTR"]
FOR_HERE = frozenset({"serials", "delegation", "ttl", "edns", "zone", "dnssec", "signatures"})
"""The claims that are made of the authoritative side."""
FAMILIES: tuple[Family, ...] = ("ipv4", "ipv6")
MOST_SAMPLES = 2000
_BROADCAST = ipaddress.ip_address("255.255.255.255")


def refuse(reason: str, kind: LiteralString = VALUE_ERROR) -> NoReturn:
    """Tell that a value is wrong: `reason` is read behind the value."""
    raise PydanticCustomError(kind, "{reason}", {"reason": reason})


def ascii_name(text: str) -> str:
    """A name in its one form. Raises ValueError with the reason."""
    from shipworthy import dns_messages  # only where a policy names names: dnspython takes its time to load

    return dns_messages.ascii_name(text)


def record_text(type: str, text: str) -> str:
    """A record's data in its one form. Raises ValueError with the reason."""
    from shipworthy import dns_messages

    return dns_messages.record_text(type, text)


_LIKE: Mapping[str, str] = {
    "MX": "10 mail.example.org",
    "TXT": "v=spf1 -all",
    "SRV": "0 5 443 www.example.org",
    "CAA": '0 issue "ca.example.net"',
    "NS": "ns1.example.org",
    "PTR": "www.example.org",
}


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        refuse("is no IPv4 or IPv6 address")


def _server(text: str) -> str:
    """An address where a name server can be; raises otherwise."""
    if is_metadata(text):
        refuse("is an address of a cloud's metadata, which is never asked")
    address = ipaddress.ip_address(text)
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_unspecified or address.is_multicast or address == _BROADCAST:
        refuse("is the address of no single machine")
    return text


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        refuse("is no address, and no network (10.0.0.0/8)")
    return str(network.network_address) if network.num_addresses == 1 else str(network)


Address = Annotated[str, AfterValidator(_address)]
NameServer = Annotated[str, AfterValidator(_address), AfterValidator(_server)]
Network = Annotated[str, AfterValidator(_network)]
Share = Annotated[int, Field(ge=1, le=1000)]


class Name(Part):
    """A name that hosts must be able to look up, or must not."""

    must_not_exist: bool = Field(False, description="Whether every server must say NXDOMAIN.")
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
        {}, description="What else it has, by type, as in a zone file: `MX: [10 mail.example.org]`; all of it."
    )
    reverse: bool = Field(
        False, description="Whether each of `addresses` must have a PTR that leads to a name with that address."
    )
    servers: list[NameServer] | None = Field(
        None, min_length=1, description="Who is asked, by address, instead of the host's own name servers."
    )
    vantage: Literal["host", "here"] = Field(
        "host", description="Where it is looked up: on each host, or here, on the machine that runs the checks."
    )
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
    weights: dict[Address, Share] = Field(
        {},
        description="The share that each address should have of the first places in answers: equal numbers are even. "
        "Addresses of IPv4 and of IPv6 are judged apart.",
    )
    samples: Annotated[int, Field(ge=2, le=MOST_SAMPLES)] | None = Field(
        None,
        description="How many answers are looked at for that; without it, as many as show with 95 % that the address "
        "with the smallest share is never first: 25 for two equal ones, 90 for four, 254 for eight.",
    )

    @field_validator("families", "addresses", "alias", "records", "reverse", "authoritative", "dnssec", "weights")
    @classmethod
    def _exists(cls, value: Any, field: ValidationInfo) -> Any:
        if value and field.data.get("must_not_exist"):
            refuse("cannot be said of a name that must not exist", WHOLE_ERROR)
        return value

    @field_validator("alias")
    @classmethod
    def _is_a_name(cls, alias: str | None) -> str | None:
        try:
            return None if alias is None else ascii_name(alias)
        except ValueError as error:
            # The reason for an international name repeats it, and it may come from a secret variable.
            refuse(str(error) if alias and alias.isascii() else "is no DNS name")

    @field_validator("records")
    @classmethod
    def _are_records(cls, records: dict[RecordType, list[str]]) -> dict[RecordType, list[str]]:
        wrong: list[InitErrorDetails] = []
        told: dict[RecordType, list[str]] = {type: [] for type in records}
        for type, texts in records.items():
            for index, text in enumerate(texts):
                try:
                    told[type].append(record_text(type, text))
                except ValueError:
                    reason = {"reason": f"is no data of {type}, such as {_LIKE[type]}"}
                    error = PydanticCustomError(VALUE_ERROR, "{reason}", reason)
                    wrong.append(InitErrorDetails(type=error, loc=(type, index), input=text))
        if wrong:
            raise ValidationError.from_exception_data("records", wrong)
        return told

    @field_validator("reverse")
    @classmethod
    def _has_addresses(cls, reverse: bool, field: ValidationInfo) -> bool:
        addresses = field.data.get("addresses", ["unknown"])
        if reverse and not addresses:
            refuse("needs `addresses`: it is of them that a name is asked for", WHOLE_ERROR)
        if reverse and (networks := [each for each in addresses if "/" in each]):
            refuse(f"needs single `addresses`, and {networks[0]} is a network", WHOLE_ERROR)
        return reverse

    @field_validator("dnssec")
    @classmethod
    def _is_asked(cls, dnssec: bool | None, field: ValidationInfo) -> bool | None:
        if dnssec is not None and field.data.get("authoritative") is False:
            refuse("is not known without `authoritative: true`", WHOLE_ERROR)
        return dnssec

    @field_validator("weights")
    @classmethod
    def _can_rotate(cls, weights: dict[str, int]) -> dict[str, int]:
        if weights and all(len(_of_family(weights, family)) < 2 for family in FAMILIES):
            refuse("needs two addresses of one family, at least", WHOLE_ERROR)
        return weights

    def applies(self, claim: str) -> bool:
        """Whether there is anything to claim of this name."""
        match claim:
            case "absent":
                return self.must_not_exist
            case "rotation":
                return bool(self.weights)
            case "reverse":
                return self.reverse
            case _ if claim in FOR_HERE:
                return self.authoritative
            case "nameservers" | "resolver":
                return True
            case "expected":
                return not self.must_not_exist and bool(self.addresses or self.alias or self.records)
            case _:
                return not self.must_not_exist

    def sampled(self, family: Family) -> int:
        """How many answers are looked at for how addresses of one family rotate; 0 where there is nothing to see."""
        shares = _of_family(self.weights, family)
        if len(shares) < 2:
            return 0
        return self.samples or min(MOST_SAMPLES, samples_needed(shares))


_VERSIONS: Mapping[Family, int] = {"ipv4": 4, "ipv6": 6}
_DISTANCES = (24.36, 27.54, 29.86, 31.76, 33.43, 34.93, 36.28)
"""By degrees of freedom, from 1: the noncentrality at which χ² passes its α = 0.001 with a power of 95 %."""


def samples_needed(shares: Iterable[int]) -> int:
    """How many samples show, with 95 %, that whoever should have the smallest of these shares has none.

    χ² at α = 0.001. When a share p is spread over the others in their proportions, each sample adds p / (1 − p) to the
    noncentrality.
    """
    all = list(shares)
    freedom = len(all) - 1
    distance = _DISTANCES[freedom - 1] if freedom <= len(_DISTANCES) else 19 + 6.7 * math.sqrt(freedom)
    smallest = min(all) / sum(all)
    return math.ceil(distance * (1 - smallest) / smallest)


def _of_family(weights: Mapping[str, int], family: Family) -> list[int]:
    version = _VERSIONS[family]
    return [share for address, share in weights.items() if ipaddress.ip_address(address).version == version]
