"""Who may issue a certificate, by what DNS says (CAA), and whether its issuer is among them.

In: what servers answered for a name and its parents, and a leaf. Out: `Permission`. The records of the first name on
the way up that has any are those that count; a parent's say nothing where the child has some.
Source: RFC 8659 3 to 4.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from shipworthy.errors import NotMeasured
from shipworthy.judging.certificates import attributes
from shipworthy.judging.lookups import by_words, unasked
from shipworthy.judging.shown import Fault, Shown, Spot, gathered
from shipworthy.judging.wording import first_of
from shipworthy.policy.certificates import climbed
from shipworthy.probes.certificates import Certificates, Question, Server
from shipworthy.vantage.chain import names
from shipworthy.vantage.chain.certificate import Certificate, shown

if TYPE_CHECKING:
    from shipworthy.dns_messages import Reply
    from shipworthy.policy._certificates_items import Certificate as Policy

_FOUND = ("NOERROR", "NXDOMAIN")
_RECORD = re.compile(r'(?P<flags>\d{1,3}) (?P<tag>\S{1,255}) "(?P<value>.*)"', re.DOTALL)
_CRITICAL = 128
_UNDERSTOOD = frozenset({"issue", "issuewild", "iodef", "contactemail", "contactphone", "issuemail", "issuevmc"})
"""Tags that CAs know. Source: IANA's registry of CAA properties."""
_O = "2.5.4.10"

_SECTIGO = ("sectigo.com", "comodo.com", "comodoca.com", "usertrust.com", "trust-provider.com")
_DIGICERT = (
    "digicert.com",
    "www.digicert.com",
    "digicert.ne.jp",
    "cybertrust.ne.jp",
    "thawte.com",
    "geotrust.com",
    "rapidssl.com",
    "symantec.com",
    "digitalcertvalidation.com",
    "quovadisglobal.com",
    "amazon.com",
    "amazontrust.com",
    "awstrust.com",
    "amazonaws.com",
)
_AMAZON = ("amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com")
NAMES_OF: Mapping[str, tuple[str, ...]] = {
    "Let's Encrypt": ("letsencrypt.org",),
    "ISRG": ("letsencrypt.org",),
    "Internet Security Research Group": ("letsencrypt.org",),
    "DigiCert Inc": _DIGICERT,
    "DigiCert, Inc.": _DIGICERT,
    "GeoTrust": _DIGICERT,
    "Thawte": _DIGICERT,
    "RapidSSL": _DIGICERT,
    "Sectigo Limited": (*_SECTIGO, "entrust.net", "affirmtrust.com"),
    "COMODO CA Limited": _SECTIGO,
    "The USERTRUST Network": _SECTIGO,
    "ZeroSSL": (*_SECTIGO, "zerossl.com"),
    "GlobalSign": ("globalsign.com",),
    "GlobalSign nv-sa": ("globalsign.com",),
    "Google Trust Services": ("pki.goog",),
    "Google Trust Services LLC": ("pki.goog",),
    "Amazon": _AMAZON,
    "Amazon Trust Services": _AMAZON,
    "GoDaddy.com, Inc.": ("godaddy.com", "starfieldtech.com"),
    "Starfield Technologies, Inc.": ("starfieldtech.com", "godaddy.com"),
    "Entrust": ("entrust.net", "affirmtrust.com"),
    "Entrust, Inc.": ("entrust.net", "affirmtrust.com"),
    "Entrust Limited": ("entrust.net", "affirmtrust.com", *_SECTIGO),
    "Entrust Corporation": ("entrust.net", "affirmtrust.com"),
    "AffirmTrust": ("affirmtrust.com", "entrust.net"),
    "SSL Corp": ("ssl.com", "entrust.net", "affirmtrust.com"),
    "SSL Corporation": ("ssl.com", "entrust.net", "affirmtrust.com"),
    "Buypass AS-983163327": ("buypass.com", "buypass.no"),
    "Actalis S.p.A.": ("actalis.it",),
    "Asseco Data Systems S.A.": ("certum.pl", "certum.eu"),
    "Unizeto Technologies S.A.": ("certum.pl", "certum.eu"),
    "IdenTrust": ("identrust.com",),
    "IdenTrust, Inc.": ("identrust.com",),
    "Microsoft Corporation": ("microsoft.com", "digicert.com"),
    "Apple Inc.": ("pki.apple.com",),
    "SwissSign AG": ("swisssign.com",),
    "D-Trust GmbH": ("d-trust.net", "dtrust.de", "d-trust.de"),
    "Deutsche Telekom Security GmbH": ("telesec.de", "pki.dfn.de", "dfn.de"),
    "Hellenic Academic and Research Institutions CA": ("harica.gr",),
    "Certainly": ("certainly.com",),
    "TrustAsia Technologies, Inc.": ("trustasia.com",),
}
"""The names by which records permit a CA, by the O of its issuing certificates: all that it goes by, since one that is
missing here would be a false alarm. Source: the CAs' own pages and practice statements, as CCADB collects them
(AllCAAIdentifiersReport, 2025-06); ZeroSSL's, Unizeto's and Buypass's second name are from memory."""


class Answers(NamedTuple):
    """What servers said of CAA."""

    reading: Certificates
    questions: Sequence[Question]
    """By whose indices the reading speaks."""


class Property(NamedTuple):
    """One CAA record."""

    critical: bool
    tag: str
    issuer: str
    """Of issue and issuewild; empty where nobody is permitted."""
    text: str
    """The record, as people write it."""


class Permission(NamedTuple):
    """Who may issue for a name."""

    name: str
    """Whose records they are; empty where there are none on the whole way up."""
    records: tuple[str, ...]
    issuers: tuple[str, ...] | None
    """None: everybody may."""
    unknown: tuple[str, ...]
    """Critical tags that no CA understands: then nobody may."""


def permission(answers: Answers, name: str, *, wildcard: bool) -> Permission:
    """Who may issue for a name, or for `*.` below it. Raises NotMeasured where a server cannot tell."""
    for each in climbed(name):
        if properties := list(_properties(answers, each)):
            return _permission(each, properties, wildcard=wildcard)
    return Permission("", (), None, ())


def _permission(name: str, properties: Sequence[Property], *, wildcard: bool) -> Permission:
    records = tuple(each.text for each in properties)
    unknown = tuple(each.tag for each in properties if each.critical and each.tag not in _UNDERSTOOD)
    relevant = [each for each in properties if each.tag == "issuewild"] if wildcard else []
    relevant = relevant or [each for each in properties if each.tag == "issue"]
    issuers = tuple(dict.fromkeys(each.issuer for each in relevant if each.issuer)) if relevant else None
    return Permission(name, records, issuers, unknown)


class Judged(NamedTuple):
    """What comes of it for a certificate."""

    forbidden: list[Fault]
    unknown: list[Fault]
    """Issuers whose names in CAA records are not known here."""
    records: list[str]


def judged(shown: Shown, said: Policy, answers: Answers) -> Judged:
    """Whether the issuer of each leaf that is shown under the certificate's name may issue for that name."""
    forbidden: list[tuple[Spot, str]] = []
    unknown: list[tuple[Spot, str]] = []
    records: dict[str, None] = {}
    for spot in shown.own:
        if (leaf := shown.chain(spot).leaf) is None:
            continue
        wildcard = is_by_wildcard(leaf, said.caa_name)
        name = said.caa_name.partition(".")[2] if wildcard else said.caa_name
        permitted = permission(answers, name, wildcard=wildcard)
        records.update(dict.fromkeys(f"{permitted.name} CAA {record}" for record in permitted.records))
        called = names_of(leaf, said.caa)
        words = _forbidden(permitted, leaf, called)
        if words and (called or permitted.unknown or not permitted.issuers):
            forbidden.append((spot, words))
        elif words:
            unknown.append((spot, f"{words}, whose name in CAA records is not known here"))
    return Judged(gathered(forbidden), gathered(unknown), list(records))


def is_by_wildcard(leaf: Certificate, name: str) -> bool:
    """Whether it is a wildcard that makes it good for the name."""
    mine = [each.lower() for each in names.of(leaf) if isinstance(each, str)]
    return name not in mine and f"*.{name.partition('.')[2]}" in mine


def names_of(leaf: Certificate, declared: str | None) -> tuple[str, ...]:
    """What the issuer of a leaf is called in CAA records; nothing where that is not known."""
    if declared:
        return (declared,)
    return next((NAMES_OF[each] for each in attributes(leaf, _O) if each in NAMES_OF), ())


def issuer_of(leaf: Certificate) -> str:
    """The organization that issued it, for messages."""
    return shown(next(attributes(leaf, _O), "") or next(attributes(leaf, "2.5.4.3"), "") or "(unnamed)")


def _forbidden(permission: Permission, leaf: Certificate, called: Sequence[str]) -> str:
    """Why the issuer may not; empty where it may."""
    if permission.unknown:
        tags = first_of([shown(tag, 40) for tag in permission.unknown])
        return f"{permission.name} has CAA that no CA understands, and that is critical: {tags}"
    if permission.issuers is None or set(called) & set(permission.issuers):
        return ""
    whom = first_of([shown(each) for each in permission.issuers]) or "nobody"
    return f"CAA of {permission.name} permits {whom}, and {issuer_of(leaf)} has issued it"


def _properties(answers: Answers, name: str) -> Iterator[Property]:
    for text in _data(answers, name):
        record = _RECORD.fullmatch(text)
        if record is None:
            continue
        tag, value = record["tag"].lower(), _unescaped(record["value"])
        issuer = value.partition(";")[0].strip().lower().rstrip(".")
        yield Property(bool(int(record["flags"]) & _CRITICAL), tag, issuer, shown(text, 200))


def _data(answers: Answers, name: str) -> tuple[str, ...]:
    """The records of one name, by the first server that can tell; raises NotMeasured where none can."""
    index = next((at for at, each in enumerate(answers.questions) if (each.name, each.type) == (name, "CAA")), None)
    if index is None:
        raise NotMeasured(f"{name} CAA was not asked for in this run")
    errors: dict[str, str] = {}
    servers = answers.reading.servers
    for server in servers:
        said = _said(answers.reading, server, index, name)
        if not isinstance(said, str):
            return said
        errors[server.address] = said
    told = [f"{why} ({', '.join(servers)})" for why, servers in by_words(errors.items()).items()]
    silent = told and not any(_is_answered(server, index) or unasked(errors[server.address]) for server in servers)
    reason = answers.reading.unseen.get("servers") or "nobody was asked"
    raise NotMeasured(f"{name} CAA: {'no name server answers: ' if silent else ''}{first_of(told, '; ') or reason}")


def _is_answered(server: Server, index: int) -> bool:
    return any(said.question == index and said.message >= 0 for said in (*server.udp, *server.tcp))


def _said(reading: Certificates, server: Server, index: int, name: str) -> tuple[str, ...] | str:
    """A server's records; or why there are none to be told."""
    error = "was not asked"
    for said in (each for each in (*server.udp, *server.tcp) if each.question == index):
        if not 0 <= said.message < len(reading.messages):
            error = said.error or "no answer"
            continue
        reply = _understood(reading.messages[said.message], name)
        if isinstance(reply, str):
            error = reply
        elif reply.rcode not in _FOUND:
            error = reply.rcode
        elif reply.truncated:
            error = "cut short over UDP, and not asked over TCP"
        else:
            return reply.data("CAA")
    return error


@lru_cache(maxsize=4096)
def _understood(text: str, name: str) -> Reply | str:
    from shipworthy import dns_messages  # dnspython takes its time to load

    try:
        return dns_messages.reply(base64.b64decode(text, validate=True), name, "CAA")
    except (dns_messages.Garbled, binascii.Error, ValueError) as error:
        return f"its answer {error}" if isinstance(error, dns_messages.Garbled) else "its answer is no base64"


def _unescaped(value: str) -> str:
    """As it is on the wire, of what a zone file writes."""
    return re.sub(r"\\(\d{3}|.)", lambda found: chr(int(found[1])) if found[1].isdigit() else found[1], value)
