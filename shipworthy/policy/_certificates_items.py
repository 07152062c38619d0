"""What a policy can say of a certificate: where it is served or stored, for which names, by whom, and how it renews."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shipworthy.policy._dns_items import Family
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import Part, limit, setting
from shipworthy.policy.language.units import PERCENT, SECONDS

Starttls = Literal["smtp", "imap", "pop3", "ftp", "ldap", "postgres", "mysql", "xmpp"]
Version = Literal["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]


class Renewed(Part):
    """A certificate that has to be renewed in time."""

    renewed_by: Literal["acme", "acm", "manual"] = Field(
        "acme",
        description="Who renews it. What a machine renews and lives for at most 100 days is judged by the share of "
        "its life that is left (`share_left`), everything else by `left`.",
    )
    left: Limit = limit(
        SECONDS,
        warn_below="30 d",
        fail_below="14 d",
        check="left",
        words="left",
        says="How long it must last, where a person renews it or it lives for more than 100 days.",
        source="judgement: a person needs a fortnight, and a month to plan",
    )
    share_left: Limit = limit(
        PERCENT,
        warn_below="33.3 %",
        fail_below="16.7 %",
        check="left",
        words="of its life left",
        says="The share of its life that must be left: a third, less `slack`, when machines renew; a sixth is lost. "
        "Of a life of at most 10 days, less than 24 h fail instead.",
        source="Let's Encrypt: renew when a third of the life is left; SC-081v3",
    )
    slack: float = setting(
        SECONDS, "3 d", says="How late a machine's renewal may be without a warning.", source="judgement: a weekend"
    )


class Certificate(Renewed):
    """A certificate where clients meet it."""

    connect: str = Field(description="Where it is served: `www.example.org:443`, `192.0.2.1:443`, `[2001:db8::1]:443`.")
    name: str | None = Field(
        None, description="The name that clients ask for (SNI) and that it must be for; without it, that of `connect`."
    )
    names: list[str] = Field(
        [], description="Other names: with each, clients are served the same, and it must be for each."
    )
    without_name: bool = Field(
        False, description="Whether clients that send no name (old ones, health checks) must be served the same."
    )
    backends: list[str] = Field(
        [], description="Further places, like `connect`, that must serve the same: each backend of a balancer."
    )
    one_certificate: bool = Field(
        True, description="Whether every address, backend and host must serve the very same certificate for the name."
    )
    starttls: Starttls | None = Field(None, description="The protocol that is spoken before TLS.")
    vantage: Literal["here", "host"] = Field(
        "here", description="From where it is met: here, the machine that runs the checks, or each host."
    )
    families: list[Family] | None = Field(
        None, min_length=1, description="The families in which it is served; without it, those of the estate."
    )
    roots: str | None = Field(
        None,
        description="Who is trusted: `here` or `host`, the system's own store there, or the path of a PEM file at the "
        "vantage; without it, the system's own store at the vantage.",
    )
    public: bool | None = Field(
        None,
        description="Whether the rules of public certificates (lifetime, CAA) bind it; without it, they do unless "
        "`roots` is a file.",
    )
    protocols: list[Version] = Field(
        [],
        description="Protocol versions that must be spoken; older ones than the oldest of them must be refused. "
        "Without it, TLSv1.2 or TLSv1.3 must be spoken, and older ones refused.",
    )
    issuer: str | None = Field(
        None, description="Its issuer, and no other: the CN, the O, or the whole name as RFC 4514 writes it."
    )
    caa: str | None = Field(
        None, description="Its CA's name in CAA records, `letsencrypt.org`; known of the largest CAs without it."
    )
    client_certificate: bool = Field(False, description="Whether the server must ask for a client certificate.")
    revocation: Literal["off", "soft", "hard"] = Field(
        "soft",
        description="What it is when nobody tells whether it is revoked, though it names a CRL or an OCSP responder: "
        "nothing (they are not asked), a warning, or a failure.",
    )


class CertificateFile(Renewed):
    """A certificate on a host's disk."""

    served_by: str | None = Field(None, description="The certificate above, by its name, that is served from it.")
    purpose: Literal["server", "client", "authority"] = Field(
        "server", description="What it is for: a `client` logs in with it, an `authority` is trusted or signs."
    )
    key: str | None = Field(None, description="The path of its private key, only its mode and owner are looked at.")
    key_owner: str = Field("root", description="Who owns the key.")
    key_mode: str = Field("0640", description="The most that its mode may allow, in octal.")
