"""DNS as this host sees it: what its C library says of names, and what each of its name servers answers by itself.

In: names, and questions as bytes that the caller built. Out: `Dns`. Here bytes are carried and timed, and never
understood: the caller parses the answers. What cannot be seen is None, with its reason in `unseen` by field name.
"""

from typing import Dict, List, NamedTuple, Optional

from shipworthy.probes.parts.dns_answers import Budget, Question, Said, Server, as_question
from shipworthy.probes.parts.hosts_file import read_overrides
from shipworthy.probes.parts.name_servers import ask
from shipworthy.probes.parts.nsswitch import read_sources
from shipworthy.probes.parts.resolv_conf import Resolver, asked_servers, read_resolver, upstreams_of
from shipworthy.probes.parts.resolving import Resolved, Resolving
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.seen import Eyes

__all__ = ["READING", "VERSION", "Dns", "Question", "Request", "Resolved", "Resolver", "Said", "Server", "probe"]

VERSION = 1
SIGNED = ("message",)  # no answer is −1


class Request(NamedTuple):
    """What is wanted."""

    names: List[str] = []  # noqa: RUF012 -- never changed: a NamedTuple's default
    """Those that the C library is asked for, in each family."""
    questions: List[Question] = []  # noqa: RUF012
    resolver: bool = True
    """How this host resolves: resolv.conf, nsswitch.conf, its hosts file."""
    libc_samples: Dict[str, int] = {}  # noqa: RUF012
    """How often the C library is asked for a name, for which address comes first; once where it is not here."""
    wait_seconds: float = 2.0
    """How long an answer is waited for, over UDP and TCP alike."""
    budget: int = 5000
    """Questions that may be put to servers, in all, the C library's among them."""
    alive: str = ""
    """What a living server has at hand, the message in hexadecimal: each is asked it once, and any answer will do.

    Where it is asked, and nobody has answered anything after half of the wait, nobody is waited for any longer.
    """


class Dns(NamedTuple):
    """A host's view of DNS."""

    resolver: Optional[Resolver]
    upstreams: List[str]
    """Whom a stub resolver of this host asks, where it says so."""
    sources: Optional[List[str]]
    """The `hosts:` line of nsswitch.conf: `files`, `dns`, …, actions in brackets left out."""
    hosts_file: Dict[str, List[str]]
    """Of the names that are asked for: the addresses that /etc/hosts gives them."""
    libc: Dict[str, Dict[str, Resolved]]
    """By name, then by `ipv4` and `ipv6`. IPv4-mapped addresses are none of IPv6, and left out."""
    libc_firsts: Dict[str, Dict[str, int]]
    """By `NAME/ipv4`: how often each address came first, of `libc_samples`."""
    servers: List[Server]
    messages: List[str]
    """Answers in base64, each distinct one once, their ids 0."""
    samples: Dict[str, List[int]]
    """By the question's index, in order: indices of the further answers of the first server."""
    asked: int
    """Questions put to servers, in all, with look-ups by the C library, which are one at least."""
    unseen: Dict[str, str]


READING = Dns
_NO_OTHERS = {"files", "dns", "myhostname"}
"""Sources of which the name servers alone are waited for."""


def probe(machine: Machine, request: Request) -> Dns:
    """Measure: the C library and the servers at the same time, for no longer than an answer is waited for."""
    eyes = Eyes(machine)
    names, questions = request.names, [as_question(each) for each in request.questions]
    if machine.recorded:
        eyes.unseen.update(dict.fromkeys(("libc", "servers"), "a recorded tree has no network"))
        names, questions = [], []
    resolver = eyes.see("resolver", lambda: read_resolver(machine))
    usual = asked_servers(resolver)
    budget = Budget(request.budget)
    sources = eyes.see("sources", lambda: read_sources(_asked(machine, request)))
    twice = 2 * sum(len(usual if each.servers is None else each.servers) for each in questions)
    resolving = Resolving(names, request.libc_samples, request.wait_seconds, budget, twice)
    resolving.start()
    servers, messages, samples, silent = ask(questions, usual, request.wait_seconds, budget, alive=request.alive)
    if silent and {each.address for each in servers}.issuperset(usual) and _NO_OTHERS.issuperset(sources or "?"):
        resolving.give_up()
    libc, firsts = resolving.gather()
    known = set(request.names).union(each.name for each in questions)
    return Dns(
        resolver=resolver,
        upstreams=eyes.see("upstreams", lambda: upstreams_of(machine, resolver)) or [],
        sources=sources,
        hosts_file=eyes.see("hosts_file", lambda: read_overrides(_asked(machine, request), known)) or {},
        libc=libc,
        libc_firsts=firsts,
        servers=servers,
        messages=messages,
        samples=samples,
        asked=budget.asked,
        unseen=eyes.unseen,
    )


def _asked(machine: Machine, request: Request) -> Machine:
    if not request.resolver:
        raise NotSeen("not asked")
    return machine
