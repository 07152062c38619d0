"""Small worlds of DNS, made from one that is well by a few edits; and the readings that a host would have of them.

In: what servers and the C library say otherwise than they should, and what policy says. Out: a `Dns`, whose messages
are dnspython's; `Judged`, as the suite would tell it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from selftest import judged
from shipworthy.checks import Item, catalogue
from shipworthy.judging.lookups import Looked
from shipworthy.outcome import Judged
from shipworthy.policy import HostPolicy
from shipworthy.probes.dns import Dns, Question, Request, Resolved, Resolver, Said, Server

NAME, ALIAS = "www.example.org", "web.example.org"
FIRST, SECOND = "10.0.0.53", "fd00::53"
SILENT = "no answer within 2 s"
POINTER = "7.0.0.10.in-addr.arpa"
DATA: Mapping[tuple[str, str], tuple[str, ...]] = {
    (NAME, "A"): ("10.0.0.7",),
    (NAME, "AAAA"): ("fd00::7",),
    (NAME, "MX"): ("10 mail.example.org.",),
    (NAME, "TXT"): ('"v=spf1 -all"',),
    (POINTER, "PTR"): ("www.example.org.",),
    ("four.example.org", "A"): ("10.0.0.4",),
}
"""What there is, by name and type."""
ALIASES = {
    ALIAS: NAME,
    "dangling.example.org": "gone.example.net",
    "empty.example.org": "nothing.example.org",
    "loop.example.org": "loop.example.org",
}
NAMES = {name for name, _ in DATA} | {"nothing.example.org", "loop.example.org"}

ASKING = Resolver([FIRST, SECOND], [], 1, 5, 2, [])

CHECKS = frozenset(id for id in catalogue([judged.TESTS]) if id.startswith("dns."))


class Says(NamedTuple):
    """A server's answer to one question; `error`: there is none; `raw`: these bytes instead of a message."""

    data: Sequence[str] = ()
    rcode: str = "NOERROR"
    error: str = ""
    raw: bytes | None = None
    seconds: float = 0.001
    warm: float | None = 0.001
    cut: str | None = None
    """It is cut short over UDP, and over TCP this is the error; empty: it is whole there."""
    why: str = ""
    """An extended error."""


SERVFAIL, REFUSED, NXDOMAIN = (Says(rcode=rcode) for rcode in ("SERVFAIL", "REFUSED", "NXDOMAIN"))


@dataclass(frozen=True)
class World:
    """What is otherwise: by (server, type) or (server, type, name), `*` for all servers; the C library by family."""

    says: Mapping[tuple[str, ...], Says] = field(default_factory=dict)
    libc: Mapping[str, Resolved] = field(default_factory=dict)
    dead: Mapping[str, str] = field(default_factory=dict)
    """Servers that answer nothing, and why."""
    no_tcp: Mapping[str, str] = field(default_factory=dict)
    servers: Sequence[str] = (FIRST, SECOND)
    resolver: Resolver | None = ASKING
    firsts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """How often which address comes first: by type, and by `ipv4` and `ipv6` of the C library."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Other fields of the reading."""


WELL = World()


@dataclass(frozen=True)
class Case:
    """A world, a name with what policy says of it, and what is concluded."""

    outcome: str
    message: str
    world: World = WELL
    name: str = NAME
    said: Mapping[str, Any] = field(default_factory=dict)
    """Of the name."""
    policy: Mapping[str, Any] = field(default_factory=dict)
    """Of the subject."""
    families: tuple[str, ...] | None = ("ipv4", "ipv6")
    """Those that the policy says; None: it says none."""


def told(case: Case, check: str) -> Judged:
    """What the check concludes; outcome and message must be those of the case."""
    policy = policy_of(case)
    request = policy.dns.request(CHECKS)
    reading = reading_of(case.world, request or Request())
    item = Item(case.name, policy.dns.names[case.name])
    looked = Looked(case.name, reading, request.questions if request else [], item.policy.servers)
    said = judged.judge("dns", check, policy=policy, item=item, looked=looked, dns=reading)
    assert (said.outcome, said.message) == (case.outcome, case.message), said
    return said


def policy_of(case: Case) -> HostPolicy:
    made = judged.policy(families=case.families or ("ipv4", "ipv6"), dns={case.name: case.said, **case.policy})
    return replace(made, families_from="policy.yml:1") if case.families else made


def reading_of(world: World, request: Request) -> Dns:
    """What a host of that world is told."""
    messages: list[str] = []

    def index(data: bytes) -> int:
        text = base64.b64encode(data).decode()
        if text not in messages:
            messages.append(text)
        return messages.index(text)

    by_server: dict[str, tuple[list[Said], list[Said]]] = {}
    samples = {}
    for number, question in enumerate(request.questions):
        for server in world.servers if question.servers is None else question.servers:
            udp, tcp = by_server.setdefault(server, ([], []))
            says = _says(world, server, question)
            told = -1 if says.error else index(_message(question, says))
            udp.append(Said(number, told, says.error, says.seconds, None if says.error else says.warm))
            if not tcp or says.cut is not None:
                error = says.cut or world.no_tcp.get(server, "") or world.dead.get(server, "")
                whole = -1 if error else index(_message(question, says._replace(cut=None, error="")))
                tcp.append(Said(number, whole, error, 0.001, None))
        if question.samples:
            counts = world.firsts.get(question.type, {})
            rotated = [_message(question, Says([each])) for each, count in counts.items() for _ in range(count)]
            samples[str(number)] = [index(each) for each in rotated]
    return Dns(
        resolver=world.resolver,
        upstreams=world.more.get("upstreams", []),
        sources=world.more.get("sources", ["files", "dns"]),
        hosts_file=world.more.get("hosts_file", {}),
        libc={name: _libc(world, name) for name in request.names},
        libc_firsts={f"{name}/{family}": dict(world.firsts.get(family, {}))
                     for name in request.libc_samples for family in ("ipv4", "ipv6")},
        servers=[Server(address, udp, tcp, 0) for address, (udp, tcp) in by_server.items()],
        messages=messages,
        samples=samples,
        asked=world.more.get("asked", 9),
        unseen=world.more.get("unseen", {}),
    )  # fmt: skip


def _libc(world: World, name: str) -> dict[str, Resolved]:
    found = {}
    for family, type in (("ipv4", "A"), ("ipv6", "AAAA")):
        addresses = list(DATA.get((ALIASES.get(name, name), type), ()))
        found[family] = world.libc.get(family, Resolved(addresses, "" if addresses else "EAI_NONAME", 0.001))
    return found


def _says(world: World, server: str, question: Question) -> Says:
    if server in world.dead:
        return Says(error=world.dead[server])
    name, type = question.name, question.type
    for key in ((server, type, name), ("*", type, name), (server, type), ("*", type)):
        if key in world.says:
            return world.says[key]
    end = ALIASES.get(name, name)
    return Says(DATA.get((end, type), ()), "NOERROR" if end in NAMES else "NXDOMAIN")


def _message(question: Question, says: Says) -> bytes:
    if says.raw is not None:
        return says.raw
    message = dns.message.make_response(dns.message.from_wire(bytes.fromhex(question.wire)), recursion_available=True)
    if says.why:
        message.use_edns(options=[dns.edns.EDEOption(dns.edns.EDECode.DNSSEC_BOGUS, says.why)])
    message.set_rcode(dns.rcode.from_text(says.rcode))
    if says.cut is not None:
        message.flags |= dns.flags.TC
        return message.to_wire()
    owner = f"{question.name}."
    if (end := ALIASES.get(question.name)) and question.type != "CNAME":
        message.answer.append(dns.rrset.from_text(owner, 300, "IN", "CNAME", f"{end}."))
        owner = f"{end}."
    elif end and not says.data:
        message.answer.append(dns.rrset.from_text(owner, 300, "IN", "CNAME", f"{end}."))
    if says.data:
        message.answer.append(dns.rrset.from_text(owner, 300, "IN", question.type, *says.data))
    return message.to_wire()
