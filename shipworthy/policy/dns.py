"""DNS: what is bounded of resolving, and what hosts and this machine are asked for the names that a policy names.

Facts: resolv.conf(5), RFC 1034 and 1035, 4035, 8914, 9276; Zonemaster's test cases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from shipworthy.policy._dns_items import Address, Name
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import Items, SubjectPolicy, limit, setting
from shipworthy.policy.language.units import COUNT, RATIO, SECONDS

if TYPE_CHECKING:
    from shipworthy.probes.dns import Request


class Policy(SubjectPolicy):
    """Names resolve, on both families, from every host and every server, evenly, in time; and who vouches for them."""

    names: Items[Name] = Field({}, description="Names, written directly below `dns:`.")
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
    signature_left: Limit = limit(
        SECONDS,
        warn_below="3 d",
        fail_below="12 h",
        check="signatures",
        words="until a signature ends",
        says="The remaining life of the RRSIG that ends first, of those on the way from the root to the name's answers.",
        source="Zonemaster DNSSEC04: 12 h is short; 3 days is a weekend",
    )
    signature_life: Limit = limit(
        SECONDS,
        warn_above="180 d",
        check="signatures",
        words="life of a signature",
        says="From inception to expiration: a long one can be replayed for as long.",
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
    wait: float = setting(SECONDS, "2 s", says="How long an answer is waited for.", source="dig: a try takes 5 s; people wait less")
    budget: float = setting(
        COUNT,
        "5000",
        says="Questions that one host puts to name servers in a run; what goes beyond is not asked, and an error.",
        source="judgement: 200 names, 3 servers, 2 families, twice, and room",
    )
    root_servers: list[Address] | None = Field(
        None, min_length=1, description="Where the authoritative side begins; without it, with the root servers of the Internet."
    )
    trust_anchors: list[str] | None = Field(
        None,
        min_length=1,
        description="DS records of the root, `20326 8 2 E06D…`; without them, those that IANA publishes.",
    )

    STRICT: ClassVar[dict[str, Any]] = {"searches": {"warn_above": "0"}, "nsec3_iterations": {"fail_above": "0"}}

    def request(self, checks: frozenset[str]) -> Request | None:
        """Questions for the names that `checks` speak of; every address family is asked for, whatever is expected."""
        raise NotImplementedError
