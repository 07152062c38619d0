"""What a policy can say of a certificate: where it is served or stored, for which names, by whom, and how it renews."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationInfo, field_validator

from shipworthy.policy._certificates_values import (
    STORES,
    CaName,
    FilePath,
    Identity,
    Mode,
    Place,
    Roots,
    Words,
    address_of,
    each_once,
    host_and_port,
)
from shipworthy.policy._dns_items import Family, refuse
from shipworthy.policy.language.form import WHOLE_ERROR
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import Part, limit, setting
from shipworthy.policy.language.units import PERCENT, SECONDS

if TYPE_CHECKING:
    from shipworthy.vantage.meeting import Endpoint

Starttls = Literal["smtp", "imap", "pop3", "ftp", "ldap", "postgres", "mysql", "xmpp"]
Version = Literal["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]


class Renewed(Part):
    """A certificate that has to be renewed in time."""

    renewed_by: Literal["acme", "acm", "manual"] = Field(
        "acme",
        description="Who renews it: machines by `acme` or `acm`, or a person. What a machine renews and lives for at "
        "most 100 days is judged by the share of its life that is left (`share_left`), everything else by `left`.",
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

    connect: Place = Field(
        description="Where it is served: `www.example.org:443`, `192.0.2.1:443`, `[2001:db8::1]:443`."
    )
    name: Identity | None = Field(
        None, description="The name that clients ask for (SNI) and that it must be for; without it, that of `connect`."
    )
    names: list[Identity] = Field(
        [], description="Other names: with each, clients are served the same, and it must be for each."
    )
    without_name: bool = Field(
        False, description="Whether clients that send no name (old ones, health checks) must be served the same."
    )
    backends: list[Place] = Field(
        [], description="Further places, like `connect`, that must serve the same: each backend of a balancer."
    )
    one_certificate: bool = Field(
        True, description="Whether every address, backend and host must serve the very same certificate for the name."
    )
    starttls: Starttls | None = Field(
        None, description="The protocol that is spoken before TLS: smtp, imap, pop3, ftp, ldap, postgres, mysql, xmpp."
    )
    vantage: Literal["here", "host"] = Field(
        "here", description="From where it is met: here, the machine that runs the checks, or each host."
    )
    families: list[Family] | None = Field(
        None, min_length=1, description="The families in which it is served; without it, those of the estate."
    )
    roots: Roots | None = Field(
        None,
        description="Who is trusted: `here` or `host`, the system's own store there, or the path of a PEM file at the "
        "vantage; without it, the system's own store at the vantage.",
    )
    public: bool | None = Field(
        None,
        description="Whether the rules of public certificates (profile, lifetime, CAA) bind it; without it, they do "
        "unless `roots` is a file.",
    )
    protocols: list[Version] = Field(
        [],
        description="Protocol versions that must be spoken; older ones than the oldest of them must be refused. "
        "Without it, TLSv1.2 or TLSv1.3 must be spoken, and older ones refused.",
    )
    issuer: Words | None = Field(
        None, description="Its issuer, and no other: the CN, the O, or the whole name as RFC 4514 writes it."
    )
    caa: CaName | None = Field(
        None, description="Its CA's name in CAA records, `letsencrypt.org`; known of the largest CAs without it."
    )
    client_certificate: bool = Field(False, description="Whether the server must ask for a client certificate.")
    revocation: Literal["off", "soft", "hard"] = Field(
        "soft",
        description="What it is when nobody tells whether it is revoked, though it names a CRL or an OCSP responder: "
        "nothing (they are not asked), a warning, or a failure.",
    )

    @field_validator("names", "backends", "families", "protocols")
    @classmethod
    def _each_once(cls, values: list[str] | None) -> list[str] | None:
        return each_once(values)

    @field_validator("families")
    @classmethod
    def _has_families(cls, families: list[Family] | None, field: ValidationInfo) -> list[Family] | None:
        places = [field.data.get("connect"), *field.data.get("backends", [])]
        if families and None not in places and all(address_of(host_and_port(place)[0]) for place in places):
            refuse("cannot be said of addresses, which have their own: `families` are those of names", WHOLE_ERROR)
        return families

    @field_validator("roots")
    @classmethod
    def _are_at_hand(cls, roots: str | None, field: ValidationInfo) -> str | None:
        vantage = field.data.get("vantage", roots)
        if roots in STORES and roots != vantage:
            refuse(f"is not where the certificate is met: with `vantage: {vantage}`, name a file there", WHOLE_ERROR)
        return roots

    @property
    def host(self) -> str:
        """Of `connect`: a name, or an address without brackets."""
        return host_and_port(self.connect)[0]

    @property
    def port(self) -> int:
        """Of `connect`."""
        return host_and_port(self.connect)[1]

    @property
    def names_wanted(self) -> list[str]:
        """For whom it must be: `name`, else the host of `connect`; and `names`."""
        return list(dict.fromkeys([self.name or self.host, *self.names]))

    @property
    def store(self) -> str:
        """The trust store, as `Met.stores` has it: a path at the vantage, empty for the system's own."""
        return "" if self.roots is None or self.roots in STORES else self.roots

    @property
    def is_public(self) -> bool:
        """Whether the rules of public certificates bind it."""
        return self.public if self.public is not None else not self.store

    @property
    def caa_name(self) -> str:
        """The name whose CAA records say who may issue it; empty for an address."""
        name = self.names_wanted[0]
        return "" if address_of(name) else name

    def expected(self, estate: Sequence[str]) -> tuple[str, ...]:
        """The families in which its names must have addresses; `estate` says those of all."""
        return tuple(self.families or estate)

    def endpoints(self) -> list[Endpoint]:
        """Where it is met, and how: `connect` first."""
        from shipworthy.vantage.meeting import VERSIONS, Endpoint  # only where a policy asks for it

        server_name = self.names_wanted[0]
        others = dict.fromkeys([*self.names_wanted[1:], *([""] if self.without_name else [])])
        return [
            Endpoint(
                *host_and_port(place),
                server_name=server_name,
                starttls=self.starttls or "",
                versions=VERSIONS if self.applies("protocols") else (),
                also_named=tuple(others),
            )
            for place in dict.fromkeys([self.connect, *self.backends])
        ]

    def applies(self, claim: str) -> bool:
        """Whether there is anything to claim of this certificate."""
        match claim:
            case "lifetime":
                return self.is_public
            case "caa":
                return bool(self.caa_name) and (self.is_public or self.caa is not None)
            case "revocation":
                return self.revocation != "off"
            case "same":
                return self.one_certificate
            case "issuer":
                return self.issuer is not None
            case "client_asked":
                return self.client_certificate
            case "protocols":
                return self.starttls != "mysql" or bool(self.protocols)
            case _:
                return True


class CertificateFile(Renewed):
    """A certificate on a host's disk."""

    served_by: str | None = Field(None, description="The certificate above, by its name, that is served from it.")
    purpose: Literal["server", "client", "authority"] = Field(
        "server", description="What it is for: a `client` logs in with it, an `authority` is trusted or signs."
    )
    key: FilePath | None = Field(
        None, description="The path of its private key; only its mode and owner are looked at."
    )
    key_owner: Words = Field("root", description="Who owns the key.")
    key_mode: Mode = Field("0640", description="The most that its mode may allow, in octal.")

    @field_validator("purpose")
    @classmethod
    def _can_be_served(cls, purpose: str, field: ValidationInfo) -> str:
        if purpose != "server" and field.data.get("served_by"):
            refuse("is not what is served: `served_by` is for a server's certificate", WHOLE_ERROR)
        return purpose

    def applies(self, claim: str) -> bool:
        """Whether there is anything to claim of this file."""
        match claim:
            case "reloaded":
                return self.served_by is not None
            case "client":
                return self.purpose == "client"
            case _:
                return True
