"""What the checks of names conclude: what servers and the C library say, a policy → outcome and message."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import dns.message
import dns.rrset
import pytest

from selftest.dns_answers import (
    ALIAS,
    ASKING,
    FIRST,
    NAME,
    NXDOMAIN,
    POINTER,
    REFUSED,
    SECOND,
    SERVFAIL,
    SILENT,
    Case,
    Says,
    World,
    reading_of,
    told,
)
from selftest.judged import lines
from shipworthy.judging.lookups import Looked
from shipworthy.probes.dns import Question, Request, Resolved, Resolver, Said, Server

ROOT = Path(__file__).parents[1]
FOUR = "four.example.org"
NONE = Says()
AGAIN, NONAME = Resolved([], "EAI_AGAIN", 2.0), Resolved([], "EAI_NONAME", 0.001)
BOTH_DEAD = World(dead=dict.fromkeys((FIRST, SECOND), SILENT), libc={"ipv4": AGAIN, "ipv6": AGAIN})
LOST = f"no name server answers: {SILENT} ({FIRST}, {SECOND})"
GIVEN_UP = "not asked: the server answered none of 20"
FIRST_DEAD = World(dead={FIRST: SILENT})
BUDGET = "not asked: the budget of 10 questions is spent"
UNCONFIGURED = World(servers=(), resolver=ASKING._replace(nameservers=[]), libc={"ipv4": AGAIN, "ipv6": AGAIN})
NO_SERVER = "no name server is configured in /etc/resolv.conf"
OWN = "192.0.2.53"


def in_a_circle(type: str) -> Says:
    """The name leads to b, b to c, and c to b."""
    message = dns.message.make_response(dns.message.make_query(NAME, type))
    for one, other in ((NAME, "b.example.org"), ("b.example.org", "c.example.org"), ("c.example.org", "b.example.org")):
        message.answer.append(dns.rrset.from_text(f"{one}.", 300, "IN", "CNAME", f"{other}."))
    return Says(raw=message.to_wire())


IN_A_CIRCLE = World({("*", type): in_a_circle(type) for type in ("A", "AAAA")}, {"ipv4": NONAME, "ipv6": NONAME})

IPV6 = {
    "both": Case("passed", ""),
    "an alias": Case("passed", "", name=ALIAS),
    "none, and the estate speaks it": Case("failed", f"{FOUR} has no AAAA", name=FOUR),
    "none, and nobody says that it should not": Case("failed", f"{FOUR} has no AAAA", name=FOUR, families=None),
    "none, and the estate does not speak it": Case("passed", "", name=FOUR, families=("ipv4",)),
    "none, and it is said of the name": Case("passed", "", name=FOUR, said={"families": ["ipv4"]}),
    "the name's own word counts": Case(
        "failed", f"{FOUR} has no AAAA", name=FOUR, said={"families": ["ipv6"]}, families=("ipv4",)
    ),
    "mapped addresses are none": Case(
        "failed",
        f"{NAME} has no AAAA: the C library gives only IPv4-mapped addresses",
        World({("*", "AAAA"): NONE}, {"ipv6": Resolved([], "only IPv4-mapped addresses", 0.001)}),
    ),
    "nor are they on the wire": Case(
        "failed",
        f"{NAME} has no AAAA",
        World({("*", "AAAA"): Says(["::ffff:10.0.0.7"])}, {"ipv6": NONAME}),
    ),
    "SERVFAIL": Case(
        "failed",
        f"{NAME} AAAA: SERVFAIL ({FIRST}, {SECOND})",
        World({("*", "AAAA"): SERVFAIL}, {"ipv6": AGAIN}),
    ),
    "SERVFAIL of one, though it is not needed": Case(
        "failed",
        f"{FOUR} AAAA: SERVFAIL ({SECOND})",
        World({(SECOND, "AAAA"): SERVFAIL}),
        name=FOUR,
        families=("ipv4",),
    ),
    "silence for this question alone": Case(
        "failed", f"{NAME} AAAA: {SILENT} ({FIRST})", World({(FIRST, "AAAA"): Says(error=SILENT)})
    ),
    "one server is silent": Case("passed", "", FIRST_DEAD),
    "all are": Case("failed", LOST, BOTH_DEAD),
    "all are, and were given up": Case(
        "failed",
        f"no name server answers: {GIVEN_UP} ({FIRST}); refused ({SECOND})",
        World(dead={FIRST: GIVEN_UP, SECOND: "refused"}, libc={"ipv4": AGAIN, "ipv6": AGAIN}),
    ),
    "all are, but the hosts file knows it": Case(
        "passed", "", World(dead=BOTH_DEAD.dead, libc={"ipv4": AGAIN, "ipv6": Resolved(["fd00::7"], "", 0.001)})
    ),
    "the C library alone does not know": Case(
        "failed", f"{NAME} AAAA: EAI_AGAIN (the C library)", World(libc={"ipv6": AGAIN})
    ),
    "the C library alone has none": Case(
        "failed",
        f"{NAME} has no AAAA for the C library, and has one for {FIRST}, {SECOND}",
        World(libc={"ipv6": NONAME}),
    ),
    "there is no such name": Case(
        "failed", "new.example.org has no AAAA: it does not exist (NXDOMAIN)", name="new.example.org"
    ),
    "its alias leads nowhere": Case(
        "failed",
        "dangling.example.org has no AAAA: its alias gone.example.net does not exist (NXDOMAIN)",
        name="dangling.example.org",
    ),
    "an alias of itself": Case("failed", "loop.example.org has no AAAA: it leads to itself", name="loop.example.org"),
    "an alias of one of itself": Case(
        "failed", f"{NAME} has no AAAA: its alias b.example.org leads to itself", IN_A_CIRCLE
    ),
    "no server is configured": Case("error", NO_SERVER, UNCONFIGURED),
    "no server can be reached": Case(
        "error",
        f"{FIRST}: no route; {SECOND}: no route",
        World(dead=dict.fromkeys((FIRST, SECOND), "no route"), libc={"ipv4": AGAIN, "ipv6": AGAIN}),
    ),
    "the budget is spent": Case("error", f"{SECOND}: {BUDGET}", World({(SECOND, "AAAA"): Says(error=BUDGET)})),
    "the C library's time is up": Case(
        "error",
        "the C library: not asked: no time was left",
        World(libc={"ipv6": Resolved([], "not asked: no time was left", 0.0)}),
    ),
    "garbled": Case(
        "error",
        f"{NAME} AAAA: {FIRST}: its answer is no DNS message: The DNS packet passed to from_wire() is too short",
        World({(FIRST, "AAAA"): Says(raw=b"\0\0\x80")}),
    ),
    "servers of its own": Case("passed", "", said={"servers": [OWN]}),
    "servers of its own, which refuse": Case(
        "failed", f"{NAME} AAAA: REFUSED ({OWN})", World({(OWN, "AAAA"): REFUSED}), said={"servers": [OWN]}
    ),
    "servers of its own are not the C library's": Case(
        "passed", "", World(libc={"ipv4": AGAIN, "ipv6": AGAIN}), said={"servers": [OWN]}
    ),
    "cut short, and whole over TCP": Case("passed", "", World({(FIRST, "AAAA"): Says(["fd00::7"], cut="")})),
    "cut short, and nothing over TCP": Case(
        "failed",
        f"{NAME} AAAA: cut short over UDP, and over TCP: refused ({FIRST})",
        World({(FIRST, "AAAA"): Says(["fd00::7"], cut="refused")}),
    ),
}
IPV4 = {
    "both": Case("passed", ""),
    "none": Case("failed", f"{NAME} has no A", World({("*", "A"): NONE}, {"ipv4": NONAME})),
    "REFUSED by one": Case("failed", f"{NAME} A: REFUSED ({SECOND})", World({(SECOND, "A"): REFUSED})),
    "another server says that there is no such name": Case("passed", "", World({(SECOND, "A"): NXDOMAIN})),
    "all are silent": Case("failed", LOST, BOTH_DEAD),
}
DECLARED = {"addresses": ["10.0.0.7", "fd00::7"]}
EXPECTED = {
    "as declared": Case("passed", "", said=DECLARED),
    "within networks": Case("passed", "", said={"addresses": ["10.0.0.0/24", "fd00::/64"]}),
    "another": Case(
        "failed",
        f"{NAME} A is 10.0.0.9 and not 10.0.0.7",
        World({("*", "A"): Says(["10.0.0.9"])}, {"ipv4": Resolved(["10.0.0.9"], "", 0.001)}),
        said=DECLARED,
    ),
    "another, of one server": Case(
        "failed",
        f"{NAME} A is 10.0.0.9 and not 10.0.0.7 ({SECOND})",
        World({(SECOND, "A"): Says(["10.0.0.9"])}),
        said=DECLARED,
    ),
    "another, of the C library": Case(
        "failed",
        f"{NAME} A is 10.0.0.9 and not 10.0.0.7 (the C library)",
        World(libc={"ipv4": Resolved(["10.0.0.9"], "", 0.001)}),
        said=DECLARED,
    ),
    "one more": Case(
        "failed",
        f"{NAME} AAAA is also fd00::9 ({FIRST})",
        World({(FIRST, "AAAA"): Says(["fd00::9", "fd00::7"])}),
        said=DECLARED,
    ),
    "one fewer": Case("failed", f"{NAME} A lacks 10.0.0.8", said={"addresses": ["10.0.0.7", "10.0.0.8", "fd00::/64"]}),
    "outside of the networks": Case(
        "failed", f"{NAME} A is 10.0.0.7, which is not declared", said={"addresses": ["10.1.0.0/16", "fd00::/64"]}
    ),
    "a family that is not declared": Case(
        "failed", f"{NAME} AAAA is fd00::7, which is not declared", said={"addresses": ["10.0.0.7"]}
    ),
    "a family that nobody speaks here": Case("passed", "", said={"addresses": ["10.0.0.7"]}, families=("ipv4",)),
    "a server that fails is another check's": Case("passed", "", World({(FIRST, "A"): SERVFAIL}), said=DECLARED),
    "an alias": Case("passed", "", name=ALIAS, said={"alias": NAME}),
    "another alias": Case(
        "failed",
        f"{ALIAS} CNAME is www.example.org. and not other.example.org.",
        name=ALIAS,
        said={"alias": "other.example.org"},
    ),
    "no alias": Case("failed", f"{NAME} CNAME lacks web.example.org.", name=NAME, said={"alias": ALIAS}),
    "records": Case("passed", "", said={"records": {"MX": ["10 MAIL.example.org"], "TXT": ["v=spf1 -all"]}}),
    "a record too few": Case(
        "failed",
        f"{NAME} MX lacks 20 mx2.example.net.",
        said={"records": {"MX": ["10 mail.example.org", "20 mx2.example.net"]}},
    ),
    "a record that never arrives": Case(
        "failed",
        f"{NAME} TXT: {SILENT} ({FIRST})",
        World({(FIRST, "TXT"): Says(error=SILENT)}),
        said={"records": {"TXT": ["v=spf1 -all"]}},
    ),
    "a long record over TCP": Case(
        "passed", "", World({("*", "TXT"): Says(['"v=spf1 -all"'], cut="")}), said={"records": {"TXT": ["v=spf1 -all"]}}
    ),
    "all are silent": Case("failed", LOST, BOTH_DEAD, said=DECLARED),
    "the budget is spent": Case(
        "error",
        f"{FIRST}: {BUDGET}",
        World({(FIRST, "MX"): Says(error=BUDGET)}),
        said={"records": {"MX": ["10 mail.example.org"]}},
    ),
}
TIME = {
    "fast": Case("passed", ""),
    "slow": Case(
        "failed",
        f"{NAME} A: {FIRST} answers after 1.2 s, limit 1 s",
        World({(FIRST, "A"): Says(["10.0.0.7"], warm=1.2)}),
    ),
    "slowish": Case(
        "warned",
        f"{NAME} AAAA: {SECOND} answers after 150 ms, warning above 100 ms (limit 1 s)",
        World({(SECOND, "AAAA"): Says(["fd00::7"], warm=0.15)}),
    ),
    "slow when first asked": Case(
        "warned",
        f"{NAME} A: {FIRST} answers, first asked, after 1.5 s, warning above 1 s (limit 5 s)",
        World({(FIRST, "A"): Says(["10.0.0.7"], seconds=1.5)}),
    ),
    "slow to fail, which is told as such": Case(
        "passed", "", World({("*", "AAAA"): SERVFAIL._replace(seconds=1.9)}, {"ipv6": AGAIN})
    ),
    "the C library waits for a server that is dead": Case(
        "warned",
        f"{NAME} A: the C library answers after 1.01 s, warning above 1 s (limit 5 s)",
        World(dead={FIRST: SILENT}, libc={"ipv4": Resolved(["10.0.0.7"], "", 1.01)}),
    ),
    "nothing is answered": Case(
        "skipped", "nothing is answered, which is dns.ipv4's and dns.ipv6's to tell", BOTH_DEAD
    ),
}
NAMESERVERS = {
    "both": Case("passed", ""),
    "one is silent": Case("failed", f"name server {FIRST}: {SILENT}, over UDP and TCP", FIRST_DEAD),
    "one was given up": Case(
        "failed",
        f"name server {SECOND}: {SILENT}, over UDP and TCP",
        World({(SECOND, "A"): Says(error=SILENT), (SECOND, "AAAA"): Says(error=GIVEN_UP)}, no_tcp={SECOND: SILENT}),
    ),
    "one does not do TCP": Case("failed", f"name server {FIRST}: refused, over TCP", World(no_tcp={FIRST: "refused"})),
    "one does TCP alone": Case(
        "failed",
        f"name server {FIRST}: {SILENT}, over UDP",
        World({(FIRST, type): Says(error=SILENT) for type in ("A", "AAAA")}),
    ),
    "both are dead, each in its way": Case(
        "failed",
        f"name server {FIRST}: {SILENT}, over UDP and TCP; name server {SECOND}: refused, over UDP and TCP",
        World(dead={FIRST: SILENT, SECOND: "refused"}),
    ),
    "an answer that says no is one": Case("passed", "", World({(FIRST, "A"): REFUSED, (FIRST, "AAAA"): REFUSED})),
    "no route": Case("error", f"name server {SECOND}: no route", World(dead={SECOND: "no route"})),
    "no route to one, and the other is silent": Case(
        "failed",
        f"name server {FIRST}: {SILENT}, over UDP and TCP",
        World(dead={FIRST: SILENT, SECOND: "no route"}),
    ),
    "none is configured": Case("error", NO_SERVER, UNCONFIGURED),
    "no resolv.conf": Case(
        "error",
        "no /etc/resolv.conf",
        World(servers=(), resolver=None, more={"unseen": {"resolver": "no /etc/resolv.conf"}}),
    ),
    "looked up from here": Case("skipped", "no name is looked up on this host", said={"vantage": "here"}),
}
AGREEMENT = {
    "the same": Case("passed", ""),
    "one server": Case("skipped", "fewer than two name servers answer", FIRST_DEAD),
    "other addresses, as of a CDN": Case("passed", "", World({(FIRST, "A"): Says(["192.0.2.9"])})),
    "other addresses, of which one is declared": Case(
        "failed",
        f"{NAME} A: 192.0.2.9 ({FIRST}); what is declared ({SECOND})",
        World({(FIRST, "A"): Says(["192.0.2.9"])}),
        said=DECLARED,
    ),
    "one has none": Case(
        "failed", f"{NAME} AAAA: addresses ({FIRST}); no AAAA ({SECOND})", World({(SECOND, "AAAA"): NONE})
    ),
    "one knows no such name": Case(
        "failed", f"{NAME} A: addresses ({FIRST}); NXDOMAIN ({SECOND})", World({(SECOND, "A"): NXDOMAIN})
    ),
    "one fails": Case("failed", f"{NAME} A: SERVFAIL ({FIRST}); addresses ({SECOND})", World({(FIRST, "A"): SERVFAIL})),
    "both fail": Case("passed", "", World({("*", "AAAA"): SERVFAIL})),
    "silence is no answer": Case("passed", "", World({(FIRST, "A"): Says(error=SILENT)})),
    "garbled": Case(
        "error",
        f"{NAME} A: {FIRST}: its answer is a question, and no answer",
        World({(FIRST, "A"): Says(raw=bytes(12))}),
    ),
}
HOSTS_FILE = {
    "not in it": Case("passed", ""),
    "the same": Case("passed", "", World(more={"hosts_file": {NAME: ["10.0.0.7"]}})),
    "another": Case(
        "failed", f"{NAME} is 10.0.0.9 in /etc/hosts", World(more={"hosts_file": {NAME: ["10.0.0.9", "fd00::7"]}})
    ),
    "another, which is declared": Case(
        "passed",
        "",
        World(more={"hosts_file": {NAME: ["10.0.0.9"]}}),
        said={"addresses": ["10.0.0.0/24", "fd00::7"]},
    ),
    "nobody looks into it": Case(
        "skipped",
        "nsswitch.conf does not look into the hosts file",
        World(more={"hosts_file": {NAME: ["10.0.0.9"]}, "sources": ["dns"]}),
    ),
    "DNS says nothing": Case(
        "error",
        f"{NAME}: no name server says what the hosts file overrides",
        World(dead=BOTH_DEAD.dead, more={"hosts_file": {NAME: ["10.0.0.9"]}}),
    ),
    "there is none": Case("skipped", "no /etc/hosts", World(more={"unseen": {"hosts_file": "no /etc/hosts"}})),
    "it cannot be read": Case(
        "error", "hosts_file: Permission denied", World(more={"unseen": {"hosts_file": "Permission denied"}})
    ),
    "servers of its own": Case("skipped", "it is looked up at name servers of its own", said={"servers": [OWN]}),
}
ABSENT_NAME = "old.example.org"
EXISTS = World({("*", "A"): Says(["10.0.0.9"]), ("*", "AAAA"): NONE}, {"ipv4": Resolved(["10.0.0.9"], "", 0.001)})


def absent(outcome: str, message: str, world: World = World()) -> Case:  # noqa: B008 -- frozen
    return Case(outcome, message, world, ABSENT_NAME, {"must_not_exist": True})


ABSENT = {
    "absent": absent("passed", ""),
    "there": absent(
        "failed",
        f"{ABSENT_NAME}: A 10.0.0.9 (the C library, {FIRST}, {SECOND}), not NXDOMAIN; "
        f"{ABSENT_NAME}: AAAA NOERROR ({FIRST}, {SECOND}), not NXDOMAIN",
        EXISTS,
    ),
    "one server rewrites": absent(
        "failed",
        f"{ABSENT_NAME}: A 10.0.0.9 ({SECOND}), not NXDOMAIN",
        World({(SECOND, "A"): Says(["10.0.0.9"])}),
    ),
    "one server fails": absent(
        "failed", f"{ABSENT_NAME}: AAAA SERVFAIL ({FIRST}), not NXDOMAIN", World({(FIRST, "AAAA"): SERVFAIL})
    ),
    "one server is silent": absent("passed", "", FIRST_DEAD),
    "all are": absent("failed", LOST, BOTH_DEAD),
    "the budget is spent": absent("error", f"{FIRST}: {BUDGET}", World({(FIRST, "A"): Says(error=BUDGET)})),
}
DANGLING = {
    "no alias": Case("skipped", "it is no alias"),
    "an alias": Case("passed", "", name=ALIAS),
    "an alias of a name with one family": Case(
        "passed", "", World({("*", "AAAA"): NONE}, {"ipv6": NONAME}), name=ALIAS
    ),
    "an alias of nothing": Case(
        "failed",
        "dangling.example.org leads to gone.example.net, which does not exist",
        name="dangling.example.org",
    ),
    "an alias of a name without addresses": Case(
        "failed", "empty.example.org leads to nothing.example.org, which has no address", name="empty.example.org"
    ),
    "an alias of itself": Case("failed", "loop.example.org leads to itself", name="loop.example.org"),
    "an alias of one of itself": Case("failed", f"{NAME} leads to b.example.org, which leads to itself", IN_A_CIRCLE),
    "for one server": Case(
        "failed",
        f"{ALIAS} leads to {NAME}, which does not exist ({SECOND})",
        World({(SECOND, type): NXDOMAIN for type in ("A", "AAAA")}),
        name=ALIAS,
    ),
    "nothing is answered": Case(
        "skipped", "nothing is answered, which is dns.ipv4's and dns.ipv6's to tell", BOTH_DEAD
    ),
}
REVERSE_SAID = {"addresses": ["10.0.0.7"], "reverse": True, "families": ["ipv4"]}
REVERSE = {
    "back to the name": Case("passed", "", said=REVERSE_SAID),
    "back to what an alias leads to": Case("passed", "", name=ALIAS, said=REVERSE_SAID),
    "none": Case(
        "failed", f"{NAME}: 10.0.0.7 has no PTR", World({("*", "PTR"): NXDOMAIN}), said=REVERSE_SAID
    ),
    "elsewhere": Case(
        "failed",
        f"{NAME}: 10.0.0.7 leads back to mail.example.org",
        World({("*", "PTR"): Says(["mail.example.org."])}),
        said=REVERSE_SAID,
    ),
    "elsewhere, where that address is known to be": Case(
        "passed",
        "",
        World({("*", "PTR"): Says(["other.example.org."]), ("*", "A", "other.example.org"): Says(["10.0.0.7"])},
              {"ipv4": Resolved(["10.0.0.7"], "", 0.001)}),
        said=REVERSE_SAID,
        policy={"other.example.org": {}},
    ),
    "two, of which one is right": Case(
        "passed", "", World({("*", "PTR"): Says(["mail.example.org.", "www.example.org."])}), said=REVERSE_SAID
    ),
    "for one server": Case(
        "failed", f"{NAME}: 10.0.0.7 has no PTR ({FIRST})", World({(FIRST, "PTR"): NONE}), said=REVERSE_SAID
    ),
    "SERVFAIL": Case(
        "failed",
        f"{NAME}: 10.0.0.7 has no PTR that can be told: SERVFAIL",
        World({("*", "PTR"): SERVFAIL}),
        said=REVERSE_SAID,
    ),
    "all are silent": Case("failed", LOST, BOTH_DEAD, said=REVERSE_SAID),
    "the budget is spent": Case(
        "error",
        f"{FIRST}: {BUDGET}",
        World({(FIRST, "PTR"): Says(error=BUDGET)}),
        said=REVERSE_SAID,
    ),
}  # fmt: skip
TWO = {"weights": {"10.0.0.7": 1, "10.0.0.8": 1}}
EVEN = {"10.0.0.7": 13, "10.0.0.8": 12}
TIMES = "times that it comes first, by what it should"


def rotating(wire: Mapping[str, int], library: Mapping[str, int]) -> World:
    return World(firsts={"A": wire, "ipv4": library})


ROTATION = {
    "even": Case("passed", "", rotating(EVEN, EVEN), said=TWO),
    "one is always first": Case(
        "failed",
        f"{NAME} A on the wire, 10.0.0.7: {TIMES} 2, limit 1.25; "
        f"{NAME} A on the wire, 10.0.0.8: {TIMES} 0, limit at least 0.75",
        rotating({"10.0.0.7": 25}, EVEN),
        said=TWO,
    ),
    "the C library sorts": Case(
        "failed",
        f"{NAME} A of the C library, 10.0.0.8: {TIMES} 2, limit 1.25; "
        f"{NAME} A of the C library, 10.0.0.7: {TIMES} 0, limit at least 0.75",
        rotating(EVEN, {"10.0.0.8": 25}),
        said=TWO,
    ),
    "so many are too few": Case(
        "error",
        f"{NAME} A on the wire: 8 answers are too few to tell, and 25 are needed",
        rotating({"10.0.0.7": 8}, EVEN),
        said=TWO,
    ),
    "few, but too uneven for chance": Case(
        "failed",
        f"{NAME} A on the wire, 10.0.0.7: {TIMES} 2, limit 1.25; "
        f"{NAME} A on the wire, 10.0.0.8: {TIMES} 0, limit at least 0.75",
        rotating({"10.0.0.7": 11}, EVEN),
        said=TWO,
    ),
    "uneven beyond chance, and not by much": Case(
        "passed",
        "",
        rotating({"10.0.0.7": 1100, "10.0.0.8": 900}, EVEN),
        said=TWO,
    ),
    "weights": Case(
        "passed",
        "",
        rotating({"10.0.0.7": 75, "10.0.0.8": 25}, {"10.0.0.7": 75, "10.0.0.8": 25}),
        said={"weights": {"10.0.0.7": 3, "10.0.0.8": 1}},
    ),
    "an address without a share": Case(
        "failed",
        f"{NAME} A on the wire: 10.0.0.9 comes first, and has no share",
        rotating({**EVEN, "10.0.0.9": 1}, EVEN),
        said=TWO,
    ),
    "none were taken": Case(
        "error",
        f"{NAME} A on the wire: 0 answers are too few to tell, and 25 are needed; "
        f"{NAME} A of the C library: 0 answers are too few to tell, and 25 are needed",
        rotating({}, {}),
        said=TWO,
    ),
    "servers of its own": Case("passed", "", rotating(EVEN, {}), said={**TWO, "servers": [OWN]}),
    "nothing is answered": Case(
        "skipped", "nothing is answered, which is dns.ipv4's and dns.ipv6's to tell", BOTH_DEAD, said=TWO
    ),
}


def resolving(outcome: str, message: str, resolver: Resolver | None = ASKING, **more: object) -> Case:
    return Case(outcome, message, World(resolver=resolver, more=more))


SEARCH = ["a.svc.example", "svc.example", "example"]
RESOLVER = {
    "sound": resolving("passed", ""),
    "a fourth server": resolving(
        "warned",
        "nameserver lines 4, warning above 3",
        ASKING._replace(nameservers=["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]),
    ),
    "a long wait": resolving(
        "warned", "wait when no name server answers 2 min, warning above 30 s", ASKING._replace(timeout=30)
    ),
    "searching first": resolving(
        "warned",
        "names tried before the one that was meant 3, warning above 2",
        ASKING._replace(search=SEARCH, ndots=5),
    ),
    "searching last": resolving("passed", "", ASKING._replace(search=SEARCH, ndots=2)),
    "no address": resolving(
        "failed",
        "name servers that are no addresses: dns.example.org",
        ASKING._replace(nameservers=["dns.example.org"]),
    ),
    "not in DNS": resolving(
        "failed", "nsswitch.conf looks hosts up in files, myhostname, and not in DNS", sources=["files", "myhostname"]
    ),
    "by systemd-resolved": resolving("passed", "", sources=["files", "resolve"]),
    "nsswitch.conf is not there": resolving("passed", "", sources=None),
    "none is configured": resolving("error", NO_SERVER, ASKING._replace(nameservers=[])),
    "none is configured, and none is needed": Case(
        "skipped",
        "no name server is configured, and no name is looked up",
        UNCONFIGURED,
        said={"vantage": "here"},
    ),
    "it cannot be read": resolving(
        "error", "resolver: Permission denied", None, unseen={"resolver": "Permission denied"}
    ),
}

TABLES: dict[str, dict[str, Case]] = {
    "test_resolves_on_ipv4": IPV4,
    "test_resolves_on_ipv6": IPV6,
    "test_answers_are_expected": EXPECTED,
    "test_answers_in_time": TIME,
    "test_every_nameserver_answers": NAMESERVERS,
    "test_nameservers_agree": AGREEMENT,
    "test_resolver_configuration_is_sound": RESOLVER,
    "test_hosts_file_does_not_override": HOSTS_FILE,
    "test_absent_name_is_absent": ABSENT,
    "test_no_dangling_alias": DANGLING,
    "test_reverse_matches_forward": REVERSE,
    "test_rotation_is_even": ROTATION,
}


@pytest.mark.parametrize(("check", "case"), lines(TABLES))
def test_what_is_concluded(check: str, case: Case) -> None:
    told(case, check)


def test_below_the_message_stands_what_everybody_said() -> None:
    world = World({("*", "AAAA"): SERVFAIL._replace(why="signature expired")}, {"ipv6": AGAIN}, {SECOND: SILENT})
    said = told(Case("failed", f"{NAME} AAAA: SERVFAIL ({FIRST})", world), "test_resolves_on_ipv6")
    assert said.evidence == (
        f"{FIRST} A: 10.0.0.7",
        f"{FIRST} AAAA: SERVFAIL (EDE 6 (DNSSEC Bogus): signature expired)",
        "the C library A: 10.0.0.7",
        "the C library AAAA: EAI_AGAIN",
        f"{SECOND}: {SILENT}",
    )


def test_below_the_message_stand_aliases_and_whom_a_stub_asks() -> None:
    world = World(libc={"ipv4": NONAME, "ipv6": NONAME}, servers=[FIRST], more={"upstreams": [SECOND]})
    case = Case("failed", "empty.example.org has no AAAA", world, "empty.example.org", families=("ipv6",))
    assert told(case, "test_resolves_on_ipv6").evidence == (
        f"{FIRST} A: alias of nothing.example.org, no A",
        f"{FIRST} AAAA: alias of nothing.example.org, no AAAA",
        "the C library A: EAI_NONAME",
        "the C library AAAA: EAI_NONAME",
        f"this host's stub resolver asks {SECOND}",
    )


def test_pytest_shows_no_reading_for_each_name_that_fails() -> None:
    looked = Looked(NAME, reading_of(World(), Request()), [Question(NAME, "A", "")])
    assert repr(looked) == f"Looked(name='{NAME}', servers=None)"


def test_an_older_run_had_not_asked() -> None:
    """A replay judges by today's policy what was asked by another."""
    reading = reading_of(World(), Request())
    looked = Looked(NAME, reading, [Question("other.example.org", "A", "")])
    with pytest.raises(Exception, match=f"{NAME} A was not asked for in this run"):
        looked.of("A")


def test_a_hostile_reading_is_an_error_and_no_crash() -> None:
    question = Question(POINTER, "PTR", "")
    reading = reading_of(World(), Request(questions=[]))
    for messages, index in (([], 7), (["%%%"], 0), (["AAAA" * 5000], 0)):
        hostile = reading._replace(messages=messages, servers=[Server("x", [Said(0, index, "", 0.0, None)], [], 0)])
        (answer,) = Looked(NAME, hostile, [question]).of("PTR", POINTER)
        assert answer.unknown
        assert answer.reply is None


def test_who_names_no_names_does_not_wait_for_dnspython() -> None:
    told = "import sys; from selftest import judged; judged.function('dns', 'test_resolves_on_ipv4'); "
    told += "print([name for name in sys.modules if name.split('.')[0] == 'dns'])"
    run = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT)
    assert run.stdout == "[]\n"
