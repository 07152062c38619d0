"""What clients meet where TLS is served: what is asked for, from where, and all that was found. Values only.

Certificates, staples and OCSP responses are kept raw, so that they can be judged at whatever time checks are told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import ip_address
from threading import Event
from typing import NamedTuple, Protocol

RUNGS = ("resolve", "tcp", "starttls", "tls")
"""What has to go well, one after the other."""
VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
"""Protocol versions, in OpenSSL's words."""
KEYS = ("RSA", "ECDSA")
"""Kinds of keys by which servers prove themselves, in the words of TLS; the second stands for EdDSA too."""


def family_of(host: str) -> str:
    """Of an address, `ipv4` or `ipv6`; empty for a name."""
    try:
        return f"ipv{ip_address(host).version}"
    except ValueError:
        return ""


class Endpoint(NamedTuple):
    """Where TLS is served, and how it is asked for. Names are in their one form (`dns_messages.ascii_name`)."""

    host: str
    """A name, of which every address is met, or an address, which is taken as it is."""
    port: int
    server_name: str = ""
    """What is sent as SNI; nothing where it is empty, or an address."""
    starttls: str = ""
    """`smtp`, `imap`, …: the protocol that is spoken before TLS; empty where there is none."""
    alpn: tuple[str, ...] = ()
    """Offered only where they are given: some servers hang up on a protocol that they do not speak."""
    versions: tuple[str, ...] = ()
    """Of `VERSIONS`: each is tried by itself."""
    also_named: tuple[str, ...] = ()
    """Other server names under which it is met; the empty one is a client without SNI."""


ENDPOINT_TUPLES = frozenset({"alpn", "versions", "also_named"})
"""Its fields that JSON makes lists of."""


class Tried(NamedTuple):
    """One protocol version, offered alone."""

    version: str
    taken: bool | None
    """None where that was not to be found out; a version that OpenSSL here cannot speak is one such."""
    words: str
    """Why it was not taken: `alert protocol_version`, `reset in the handshake`, …"""


class Served(NamedTuple):
    """What is served to other clients: under another server name, or to those that know one kind of key alone."""

    server_name: str
    chain: list[str]
    """Empty where there is none; of a kind of key, also where there is none of that kind."""
    error: str
    key: str = ""
    """Of `KEYS`: the only one that was offered, in TLS 1.2 and below; empty where both were.

    Of TLS 1.3 nothing is known by it: there it is the signature algorithms that tell, which pyOpenSSL always offers
    all, and a server that speaks nothing else cannot be asked.
    """


class Seen(NamedTuple):
    """One address of an endpoint, and what was seen there; or a family in which there is no address."""

    address: str
    """Empty where there is none."""
    family: str
    """`ipv4` or `ipv6`."""
    rung: str
    """The last of `RUNGS` that was begun."""
    error: str
    """`refused`, `no route`, `no answer within 2 s`, `speaks no TLS: …`, `alert NAME`; empty where all went well."""
    seconds: float
    """Of the rungs from `tcp` to `tls`, or of the resolution where there is no address."""
    version: str = ""
    cipher: str = ""
    alpn: str = ""
    chain: list[str] = []  # noqa: RUF012  (never changed)
    """Certificates in DER as base64, as they were served: the leaf first. At most `handshake.CERTIFICATES`."""
    staple: str = ""
    """The OCSP response in base64; empty where none was served."""
    asks_for_certificate: bool = False
    """Whether the server asked for a client certificate."""
    client_authorities: list[str] = []  # noqa: RUF012
    """The issuers that it named for it, as DER in base64."""
    tried: list[Tried] = []  # noqa: RUF012
    others: list[Served] = []  # noqa: RUF012


class Wanted(NamedTuple):
    """What is to be found out from one place."""

    endpoints: list[Endpoint]
    families: list[str]
    """In which names are resolved."""
    wait: float = 5.0
    """Seconds that each conversation may take."""
    stores: list[str] = []  # noqa: RUF012
    """Trust stores: paths of PEM files at that place; empty for the system's own."""
    revocation: bool = False
    """Whether CRLs and OCSP responders are asked that certificates name."""


class Store(NamedTuple):
    """What a trust store says of the issuers of what was served."""

    path: str
    """Where it is, with its name; empty where the system has none."""
    size: int
    """Certificates in it, in all."""
    roots: list[str]
    """Those that issued something of what was served, and their issuers: DER in base64."""
    error: str


class Listed(NamedTuple):
    """What a CRL says of one certificate. Times are seconds since the epoch."""

    issuer: str
    this_update: float
    next_update: float | None
    signed: bool
    """By the issuer of the certificate, or by whom that names; what it says is nobody's word otherwise."""
    revoked_at: float | None
    reason: str


class Asked(NamedTuple):
    """One CRL or OCSP responder that a certificate names, and what it said."""

    certificate: str
    """SHA-256 of its DER, in hexadecimal."""
    kind: str
    """`crl` or `ocsp`."""
    url: str
    error: str
    """Why there is no answer."""
    response: str = ""
    """The OCSP response in base64."""
    listed: Listed | None = None


class Met(NamedTuple):
    """All that was found out from one place."""

    endpoints: list[Endpoint]
    seen: list[list[Seen]]
    """By the endpoint's index."""
    stores: dict[str, Store]
    """By the path that was wanted."""
    asked: list[Asked]
    error: str = ""
    """Why something is missing; empty where nothing is."""
    measured: float = 0.0
    """When, in seconds since the epoch; 0 where that is not known."""

    def at(self, endpoint: Endpoint) -> list[Seen] | None:
        """What was seen at an endpoint; None where it was not asked for."""
        return self.seen[self.endpoints.index(endpoint)] if endpoint in self.endpoints else None


def nothing_met(wanted: Wanted, why: str) -> Met:
    """Of a place from which nothing could be met."""
    return Met(wanted.endpoints, [[] for _ in wanted.endpoints], {}, [], why)


class Resolved(NamedTuple):
    """What a name has of one family."""

    host: str
    family: str
    addresses: list[str]
    error: str
    """Why there are none."""
    seconds: float


class Stream(Protocol):
    """The part of a connected socket that a conversation needs."""

    def sendall(self, data: bytes, /) -> None: ...
    def recv(self, size: int, /) -> bytes: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def close(self) -> None: ...


class Place(Protocol):
    """Where names are resolved, connections are made and trust stores are read: here, or on a host."""

    def resolve(self, asked: Collection[tuple[str, str]], until: float, given_up: Event) -> Iterator[Resolved]:
        """Each (host, family) of `asked`, as its answer comes; those without one by the monotonic time `until` too."""

    def connected(self, address: str, port: int, until: float) -> Stream:
        """A stream to one address; raises Unreached, TimeoutError, OSError, as `connecting.connected` does."""

    def store(self, path: str, issuers: Collection[bytes], until: float) -> Store:
        """What the trust store at `path` has of `issuers` (names in DER), and of the issuers of those."""
