"""DNS: what is bounded of resolving, and what hosts and this machine are asked for the names that a policy names.

Facts: resolv.conf(5), RFC 1034 and 1035, 4035, 8914, 9276; Zonemaster's test cases.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, ValidationInfo, field_validator

from shipworthy.policy._dns_items import FAMILIES, FOR_HERE, Name, NameServer, ascii_name, record_text, refuse
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import Items, SubjectPolicy, limit, setting
from shipworthy.policy.language.units import COUNT, RATIO, SECONDS, Unit

if TYPE_CHECKING:
    from shipworthy.probes.dns import Question, Request

OF_NO_NAME = FOR_HERE | {"resolver"}
"""The claims for which no host is asked about names."""
_BOUNDS: Mapping[str, tuple[Unit, float, float]] = {"wait": (SECONDS, 0.1, 10.0), "budget": (COUNT, 1.0, 100_000.0)}
"""With the login, waiting must fit a host's deadline of 30 s; and a host is no flood of questions."""


class Policy(SubjectPolicy):
    """Names resolve, on both families, from every host and every server, evenly, in time; and who vouches for them."""

    names: Items[Name] = Field({}, description="DNS names, each with a dot in it: `www.example.org`, `localhost.`.")
    nameservers: Limit = limit(
        COUNT,
        warn_above="3",
        check="resolver",
        words="nameserver lines",
        says="Name servers in /etc/resolv.conf; the C library asks the first three and never learns of the others.",
        source="resolv.conf(5): MAXNS is 3",
    )
    worst_wait: Limit = limit(
        SECONDS,
        warn_above="30 s",
        check="resolver",
        words="wait when no name server answers",
        says="timeout × attempts × name servers (three at most).",
        source="resolv.conf(5): the defaults, 5 s and 2 attempts, with three servers",
    )
    searches: Limit = limit(
        COUNT,
        warn_above="2",
        check="resolver",
        words="names tried before the one that was meant",
        says="Search domains that are tried first for a name of the policy that has fewer dots than `ndots`.",
        source="judgement: each costs a question in each family, every time (Kubernetes: ndots 5)",
    )
    ttl_short: Limit = limit(
        SECONDS,
        warn_below="30 s",
        check="ttl",
        words="shortest TTL",
        says="The shortest TTL that the servers of its zone give a record of the name; no cache shortens it.",
        source="judgement: below it caches are of no use, and an outage of the zone's servers is felt at once",
    )
    ttl_long: Limit = limit(
        SECONDS,
        warn_above="1 d",
        check="ttl",
        words="longest TTL",
        says="The longest one: for so long an old answer may be met after a change.",
        source="judgement: a change that takes more than a day is no remedy; RFC 1912 speaks of one day",
    )
    udp_payload: Limit = limit(
        COUNT,
        warn_above="1232",
        check="edns",
        words="UDP payload in bytes",
        says="The bytes that a server of the zone advertises by EDNS, the most of any; without EDNS none.",
        source="DNS Flag Day 2020: 1232 bytes pass every path unfragmented",
    )
    soa_refresh: Limit = limit(
        SECONDS,
        warn_below=None,
        check="zone",
        words="SOA refresh",
        says="How long a secondary server waits before it looks for a new version.",
        source="yours: no bound by default; Zonemaster ZONE02 wants 4 h",
    )
    soa_retry: Limit = limit(
        SECONDS,
        warn_below=None,
        check="zone",
        words="SOA retry",
        says="How long it waits when that failed.",
        source="yours: no bound by default; Zonemaster ZONE04 wants 1 h",
    )
    soa_expire: Limit = limit(
        SECONDS,
        warn_below=None,
        check="zone",
        words="SOA expire",
        says="How long it goes on to answer when it hears nothing more of the primary one.",
        source="yours: no bound by default; Zonemaster ZONE05 wants 7 d",
    )
    soa_minimum: Limit = limit(
        SECONDS,
        warn_above=None,
        check="zone",
        words="SOA minimum",
        says="How long caches remember that a name is not there.",
        source="yours: no bound by default; Zonemaster ZONE06 bears 1 d (RFC 2308)",
    )
    server_networks: Limit = limit(
        COUNT,
        warn_below=None,
        check="zone",
        words="networks of its servers",
        says="In how many networks, /24 of IPv4 and /48 of IPv6, the zone's servers are; each family by itself.",
        source="yours: no bound by default; RFC 2182 wants servers apart, in two at least",
    )
    signature_left: Limit = limit(
        SECONDS,
        warn_below="3 d",
        fail_below="12 h",
        check="signatures",
        words="until a signature ends",
        says="The remaining life of the RRSIG that ends first, on the way from the root to the name; without those "
        "that the Internet's root and its top-level domains made, which nobody here can renew.",
        source="Zonemaster DNSSEC04: 12 h is short; 3 days is a weekend",
    )
    signature_life: Limit = limit(
        SECONDS,
        warn_above="180 d",
        check="signatures",
        words="life of a signature",
        says="From inception to expiration, of the same signatures: a long one can be replayed for as long.",
        source="Zonemaster DNSSEC04: 180 days",
    )
    nsec3_iterations: Limit = limit(
        COUNT,
        warn_above="0",
        fail_above="100",
        check="dnssec",
        words="NSEC3 iterations",
        says="Rounds of hashing beyond the first.",
        source="RFC 9276: 0; beyond 100 validators treat answers as insecure, or refuse them",
    )
    uneven: Limit = limit(
        RATIO,
        fail_above="1.25",
        check="rotation",
        words="most first places of an address, by what it should have",
        says="It fails only when chance would do that once in a thousand times.",
        source="judgement: a quarter more load than was planned for",
    )
    neglected: Limit = limit(
        RATIO,
        fail_below="0.75",
        check="rotation",
        words="fewest first places of an address, by what it should have",
        says="It fails only when chance would do that once in a thousand times.",
        source="judgement: a quarter less than was planned for",
    )
    wait: float = setting(
        SECONDS, "2 s", says="How long an answer is waited for.", source="dig: a try takes 5 s; people wait less"
    )
    budget: float = setting(
        COUNT,
        "5000",
        says="Questions that one host puts to name servers in a run; what goes beyond is not asked, and an error.",
        source="judgement: 200 names, 3 servers, 2 families, twice, and room",
    )
    root_servers: list[NameServer] | None = Field(
        None,
        min_length=1,
        description="Where the authoritative side begins; without it, with the root servers of the Internet.",
    )
    trust_anchors: list[str] | None = Field(
        None,
        min_length=1,
        description="DS records of the root, `20326 8 2 E06D…`; without them, those that IANA publishes.",
    )

    DIRECT: ClassVar[str] = "names"
    DIRECT_KEYS: ClassVar[str] = r"\."
    STRICT: ClassVar[dict[str, Any]] = {"searches": {"warn_above": "0"}, "nsec3_iterations": {"fail_above": "0"}}

    @classmethod
    def item_name(cls, key: str) -> str:
        """A-labels, lower case, without the final dot."""
        name = ascii_name(key)
        if name == ".":
            raise ValueError("is no name to look up: it is the root")
        return name

    @field_validator("wait", "budget")
    @classmethod
    def _bounded(cls, value: float, field: ValidationInfo) -> float:
        unit, least, most = _BOUNDS[field.field_name or ""]
        if not least <= value <= most:
            refuse(f"is not from {unit.format(least)} to {unit.format(most)}")
        return value

    @field_validator("trust_anchors")
    @classmethod
    def _are_ds(cls, anchors: list[str] | None) -> list[str] | None:
        try:
            return None if anchors is None else [record_text("DS", anchor) for anchor in anchors]
        except ValueError:
            refuse("holds what is no data of a DS record, such as 20326 8 2 E06D44B8…")

    def request(self, checks: frozenset[str]) -> Request | None:
        """What a host is asked for the names that it looks up itself; both families, whatever is expected of them.

        The C library is not asked for a name that is looked up at servers of its own (`servers`).
        """
        wanted = _claims(checks)
        if not wanted:
            return None
        made = self._request("host", wanted)
        # How the host resolves is judged, or found not to matter, without any name too.
        return made if made.questions or not wanted.isdisjoint({"resolver", "nameservers"}) else None

    def here_request(self, checks: frozenset[str] | None = None) -> Request | None:
        """The same for the names that are looked up here, `vantage: here`; for all checks unless some are said."""
        made = self._request("here", None if checks is None else _claims(checks))
        return made if made.questions else None

    def _request(self, vantage: str, wanted: frozenset[str] | None) -> Request:
        names = {
            name: item
            for name, item in self.names.items()
            if item.vantage == vantage and (wanted is None or any(map(item.applies, wanted - OF_NO_NAME)))
        }
        from shipworthy.probes.dns import Request  # only for what is asked: an engineer waits

        by_libc = {name: item for name, item in names.items() if item.servers is None}
        rotating = wanted is None or "rotation" in wanted
        return Request(
            names=list(by_libc),
            questions=_each_once(one for name, item in names.items() for one in _questions(name, item, wanted)),
            libc_samples={
                name: most for name, item in by_libc.items() if rotating and (most := max(map(item.sampled, FAMILIES)))
            },
            wait_seconds=self.wait,
            budget=int(self.budget),
            alive=_wire(".", "NS") if names else "",
        )


def _claims(checks: frozenset[str]) -> frozenset[str]:
    return frozenset(check.partition(".")[2] for check in checks if check.startswith("dns."))


def _each_once(questions: Iterable[Question]) -> list[Question]:
    """Two names may have one address, and so one PTR."""
    found: dict[tuple[object, ...], Question] = {}
    for one in questions:
        found.setdefault((one.name, one.type, *(one.servers or ())), one)
    return list(found.values())


@lru_cache(maxsize=20_000)
def _wire(name: str, type: str) -> str:
    """The same for every host of a fleet."""
    from shipworthy import dns_messages

    return dns_messages.query(name, type).hex()


def _questions(name: str, item: Name, wanted: frozenset[str] | None) -> Iterator[Question]:
    from shipworthy.probes.dns import Question

    def question(name: str, type: str, samples: int = 0) -> Question:
        return Question(name, type, _wire(name, type), item.servers, samples)

    def judged(claim: str) -> bool:
        return item.applies(claim) and (wanted is None or claim in wanted)

    for family in FAMILIES:
        yield question(name, "A" if family == "ipv4" else "AAAA", item.sampled(family) if judged("rotation") else 0)
    if judged("expected"):
        yield from (question(name, type) for type in [*(["CNAME"] if item.alias else []), *item.records])
    if judged("reverse"):
        pointers = (ip_address(address).reverse_pointer for address in item.addresses or ())
        yield from (question(pointer, "PTR") for pointer in pointers)
