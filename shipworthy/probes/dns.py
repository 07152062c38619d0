"""DNS as this host sees it: what its C library says of names, and what each of its name servers answers by itself.

In: names, and questions as bytes that the caller built. Out: `Dns`. Here bytes are carried and timed, and never
understood: the caller parses the answers. What cannot be seen is None, with its reason in `unseen` by field name.
"""

from typing import Dict, List, NamedTuple, Optional

from shipworthy.probes.runtime.machine import Machine

VERSION = 1


class Question(NamedTuple):
    """One question for servers."""

    name: str
    """A-labels, without the final dot."""
    type: str
    wire: str
    """The message in hexadecimal, its id 0."""
    servers: Optional[List[str]] = None
    """Addresses; None: those that the host itself asks."""
    samples: int = 0
    """How often, beyond the first two times, the first server is asked it, for how its answers rotate."""


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
    """Questions that may be put to servers, in all."""


class Resolver(NamedTuple):
    """/etc/resolv.conf, as the C library understands it."""

    nameservers: List[str]
    """All that the file names, in order; glibc asks the first three."""
    search: List[str]
    ndots: int
    timeout: int
    """Seconds."""
    attempts: int
    options: List[str]
    """As they are written: `rotate`, `use-vc`, `edns0`, …"""


class Resolved(NamedTuple):
    """What the C library said of a name in one family."""

    addresses: List[str]
    """In its order; IPv4-mapped ones are none of IPv6 and left out."""
    error: str
    """`EAI_NONAME`, `EAI_AGAIN`, …, `no answer within 5 s`; empty where there are addresses."""
    seconds: float


class Said(NamedTuple):
    """What became of one question to one server over one transport."""

    question: int
    """Its index in the request."""
    message: int
    """The index of the answer in `Dns.messages`; −1 where there is none."""
    error: str
    """`no answer within 2 s`, `refused`, `no route`, `reset`, `not asked: …`; empty where there is an answer."""
    seconds: float
    """From the question to its answer: the first time, so the server may have had to ask others."""
    warm_seconds: Optional[float]
    """The same for the second time, from the server's cache; None where it was not asked or did not answer."""


class Server(NamedTuple):
    """All that one name server said."""

    address: str
    udp: List[Said]
    tcp: List[Said]
    """The first question only: whether it answers over TCP is the server's affair, and not each name's."""
    ignored: int
    """Datagrams that came with another id or from elsewhere."""


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
    """By name, then by `ipv4` and `ipv6`."""
    libc_firsts: Dict[str, Dict[str, int]]
    """By `NAME/ipv4`: how often each address came first, of `libc_samples`."""
    servers: List[Server]
    messages: List[str]
    """Answers in base64, each distinct one once, their ids 0."""
    samples: Dict[str, List[int]]
    """By the question's index, in order: indices of the further answers of the first server."""
    asked: int
    """Questions put to servers, in all."""
    unseen: Dict[str, str]


READING = Dns


def probe(machine: Machine, request: Request) -> Dns:
    """Measure."""
    raise NotImplementedError
