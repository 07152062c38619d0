"""Ports: what is bounded, who must listen and who must not, who may be connected with whom; and what is asked for that.

Facts and formulas: kernel Documentation/networking/{ip-sysctl,nf_conntrack-sysctl}, net/ipv4/inet_hashtables.c.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from shipworthy.policy.language.form import VALUE_ERROR, Family, Text
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import Items, Part, SubjectPolicy, limit, setting
from shipworthy.policy.language.units import COUNT, PER_SECOND, PERCENT
from shipworthy.probes.parts.crossings import Allowed

if TYPE_CHECKING:
    from shipworthy.probes.ports import Request

_SOCKETS = re.compile(
    r"(?:(?P<protocol>tcp|udp)/)?(?:(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?|(?P<name>[a-z][a-z0-9_.-]*))"
)
_EXAMPLE = "write it as 443, tcp/443, udp/53, tcp/8000-8099 or https"


class Place(NamedTuple):
    """Ports of one protocol, as a policy names them."""

    protocol: Literal["tcp", "udp"]
    first: int
    last: int


def place(text: str) -> Place:
    """`443`, `tcp/443`, `udp/8000-8099`, `https` → the ports. Raises ValueError, which says what is wrong."""
    match = _SOCKETS.fullmatch(text)
    if match is None:
        raise ValueError(f"is no port; {_EXAMPLE}")
    protocol: Literal["tcp", "udp"] = "udp" if match["protocol"] == "udp" else "tcp"
    if match["name"]:
        try:
            port = socket.getservbyname(match["name"], protocol)
        except OSError:
            raise ValueError(f"is no {protocol} service that this machine knows; {_EXAMPLE}") from None
        return Place(protocol, port, port)
    first = int(match["first"])
    last = int(match["last"] or first)
    if not 0 < first <= last < 65536:
        raise ValueError("is no port, or no range of them; they go from 1 to 65535")
    return Place(protocol, first, last)


def _refused(reason: str) -> PydanticCustomError:
    """What pydantic is told of a value: how the sentence goes on that begins with it."""
    return PydanticCustomError(VALUE_ERROR, "{reason}", {"reason": reason})


def _ports(said: str | int) -> str:
    text = str(said)
    try:
        if place(text).protocol == "tcp":
            return text
    except ValueError as error:
        raise _refused(str(error)) from None
    raise _refused("is UDP; connections are those of TCP")


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise _refused(f"is no network: {error}") from None


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise _refused("is no address, such as 192.0.2.1") from None


class Listen(Part):
    """Ports at which somebody must, may or must not listen; the key names them."""

    presence: Literal["required", "optional", "forbidden"] = Field(
        "required", description="Whether somebody must listen there, may (see `nothing_else`), or must not."
    )
    families: list[Family] | None = Field(
        None, description="On which families it must be reachable from outside; without it, on those of the estate."
    )
    addresses: list[Annotated[Text, AfterValidator(_address)]] = Field(
        [],
        description="At which local addresses it must be served, instead of `families`; loopback only if named here.",
    )
    processes: list[Text] = Field([], description="The names of programs (comm), one of which must be who listens.")


class Peers(Part):
    """Somebody to whom, or from whom, connections are allowed."""

    networks: list[Annotated[Text, AfterValidator(_network)]] = Field(
        [], description="Addresses and networks (`10.0.7.0/24`); none: anywhere."
    )
    ports: list[Annotated[str | int, AfterValidator(_ports)]] = Field(
        [], description="TCP ports (`443`, `8000-8099`, `https`) at the end that is connected to; none: all."
    )

    def allowed(self) -> Allowed:
        """As the probe is asked for it."""
        places = [place(text) for text in map(str, self.ports)] or [Place("tcp", 0, 65535)]
        return [[network, one.first, one.last] for network in self.networks or ["0.0.0.0/0", "::/0"] for one in places]


def _named(items: dict[str, Listen]) -> dict[str, Listen]:
    for name in items:
        try:
            place(name)
        except ValueError as error:
            raise _refused(f"whose key {name!r} {error}") from None
    return items


class Policy(SubjectPolicy):
    """Ephemeral ports, listeners, accept queues, connections between layers, and their tracking."""

    spent: Limit = limit(
        PERCENT,
        warn_above="50 %",
        fail_above="80 %",
        check="exhausted",
        words="ephemeral ports spent",
        says="Ephemeral ports that open connections hold, of those that one destination can have.",
        source="kernel: connect() tries half of the range first, and beyond 50 % scans it in vain; 80 % is judgement",
    )
    spent_udp: Limit = limit(
        PERCENT,
        warn_above="50 %",
        fail_above="80 %",
        check="exhausted_udp",
        words="ephemeral UDP ports spent",
        says="Ephemeral ports that UDP sockets hold; each serves the whole host once.",
        source="judgement: as for TCP",
    )
    spent_early: Limit = limit(
        PERCENT,
        warn_above="50 %",
        fail_above="80 %",
        check="exhausted_early",
        words="ephemeral ports spent for early binds",
        says="Ephemeral ports that no bind() to a source address can have, where programs bind before they connect.",
        source="kernel: bind() takes the other half of the range first; 80 % is judgement",
    )
    early_share: float = setting(
        PERCENT,
        "5 %",
        says="Programs are taken to bind before they connect where so much of the range shows it.",
        source="judgement: less is left behind by destinations that were busier once",
    )
    time_wait: Limit = limit(
        PERCENT,
        warn_above="50 %",
        fail_above="80 %",
        words="ephemeral ports spent, TIME_WAIT included,",
        says="The same with closed connections in TIME_WAIT, where the kernel may not take them over.",
        source="kernel: tcp_tw_reuse; otherwise TIME_WAIT lasts 60 s. 80 % is judgement",
    )
    range: Limit = limit(
        COUNT,
        warn_below="16000",
        words="ephemeral ports",
        says="Ports of ip_local_port_range that are not reserved.",
        source="RFC 6335: IANA's dynamic ports are 16,384, of which some may be reserved; Linux has 28,232",
    )
    unreserved: Limit = limit(
        COUNT,
        warn_above="0",
        check="reserved",
        words="ports of services that others may be given",
        says="Required ports of `listen` that lie in ip_local_port_range and not in ip_local_reserved_ports.",
        source="kernel ip-sysctl.rst, ip_local_reserved_ports",
    )
    accept_queue: Limit = limit(
        PERCENT,
        warn_above="50 %",
        words="accept queue",
        says="Connections that a program has not accepted for the whole window, of the most that may wait.",
        source="USE method: what waits is saturation; 50 % is judgement. What overflows is network's",
    )
    conntrack: Limit = limit(
        PERCENT,
        warn_above="75 %",
        fail_above="90 %",
        words="tracked connections",
        says="Entries of the connection tracking table, of nf_conntrack_max.",
        source="warning: node-mixin NodeHighNumberConntrackEntriesUsed (75 %); failing: judgement",
    )
    conntrack_drops: Limit = limit(
        COUNT,
        fail_above="0",
        check="conntrack",
        words="packets dropped for want of a tracking entry",
        says="Since the last run, or over the window: `drop` without what `insert_failed` explains.",
        source="kernel: nf_conntrack: table full, dropping packet",
    )
    conntrack_early_drops: Limit = limit(
        COUNT,
        warn_above="0",
        check="conntrack",
        words="tracked connections thrown out for others",
        says="Since the last run, or over the window: `early_drop`, of connections that had not been answered yet.",
        source="judgement: the table was full, and nobody's answered connection was lost",
    )
    conntrack_races: Limit = limit(
        PER_SECOND,
        warn_above="0.1 /s",
        check="conntrack",
        words="packets lost to a race for a tracking entry",
        says="Since the last run, or over the window: `insert_failed`, mostly name queries sent in pairs through NAT.",
        source="judgement: each costs a resolver's timeout of 5 s; one in ten seconds is felt",
    )
    listen: Annotated[Items[Listen], AfterValidator(_named)] = Field(
        {}, description="Who must listen, may, or must not: `443`, `tcp/443`, `udp/53`, `tcp/8000-8099`, `https`."
    )
    nothing_else: Literal["no", "reachable", "anywhere"] = Field(
        "no",
        description="Whether nothing may listen that `listen` does not name: `reachable` from outside, or `anywhere`, "
        "loopback included. UDP sockets on ephemeral ports are clients, and not judged.",
    )
    may_connect_to: Items[Peers] = Field(
        {}, description="To whom this host may open TCP connections; with none, that is not judged. Loopback always."
    )
    may_be_reached_from: Items[Peers] = Field(
        {},
        description="Who may open TCP connections to this host, the suite's own login included; with none, that is not "
        "judged. Loopback always.",
    )
    top: float = setting(COUNT, "5", says="How many of a kind are named as evidence.", source="judgement")

    STRICT: ClassVar[Mapping[str, Any]] = {
        "range": {"warn_below": "28000"},
        "conntrack_early_drops": {"fail_above": "0"},
        "conntrack_races": {"warn_above": "0 /s"},
        "accept_queue": {"fail_above": "80 %"},
    }

    def request(self, checks: frozenset[str]) -> Request | None:
        """The parts of the reading that `checks` judge by."""
        wanted = {check.partition(".")[2] for check in checks if check.startswith("ports.")}
        if not wanted:
            return None
        bounds = [bound.doubt for bound in (self.spent, self.spent_udp, self.spent_early, self.time_wait)]
        from shipworthy.probes.ports import Request  # only for what is asked: an engineer waits

        return Request(
            spent=not wanted.isdisjoint({"exhausted", "exhausted_udp", "exhausted_early", "time_wait"}),
            listening=not wanted.isdisjoint({"listens", "closed", "nothing_else", "range"}),
            may_connect_to=allowed(self.may_connect_to) if "connects" in wanted else None,
            may_be_reached_from=allowed(self.may_be_reached_from) if "reached" in wanted else None,
            queues="accept_queue" in wanted,
            conntrack="conntrack" in wanted,
            own=bool(self.listen) or self.nothing_else != "no",
            name_above_percent=min((bound for bound in bounds if bound is not None), default=100.0),
            top=int(self.top),
        )


def allowed(peers: Mapping[str, Peers]) -> Allowed | None:
    """All that a policy allows, as the probe is asked for it; None: nothing is said, so nothing is judged."""
    return [rule for one in peers.values() for rule in one.allowed()] or None
