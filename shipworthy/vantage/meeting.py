"""What clients meet where TLS is served, as `meet.py` finds it.

Certificates and staples are kept raw, so that they can be judged at whatever time checks are told.
"""

from __future__ import annotations

from typing import NamedTuple

RUNGS = ("resolve", "tcp", "starttls", "tls")
"""What has to go well, one after the other."""
VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
"""Protocol versions, in OpenSSL's words."""


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


class Tried(NamedTuple):
    """One protocol version, offered alone."""

    version: str
    taken: bool | None
    """None where that was not to be found out; a version that OpenSSL here cannot speak is one such."""
    words: str
    """Why it was not taken: `alert protocol_version`, `reset in the handshake`, …"""


class Served(NamedTuple):
    """What is served under another server name."""

    server_name: str
    chain: list[str]
    error: str


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
