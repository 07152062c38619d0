"""Names: the one that a client asks for, those that a certificate bears, and whether they match.

subjectAltName alone counts. A wildcard is a whole leftmost label and stands for exactly one. Addresses match exactly.
Source: RFC 9525 6.3 to 6.6; CA/B Forum baseline requirements 7.1.4.2, 7.1.4.3.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from cryptography import x509

from shipworthy.vantage.chain.certificate import Certificate, shown
from shipworthy.vantage.chain.findings import Finding, ours

Wanted = str | IPv4Address | IPv6Address
"""A DNS name in lower case, A-labels, without the root's dot; or an address."""

INTERNAL = frozenset(
    {"corp", "example", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain", "localhost"}
    | {"private", "test"}
)
"""Last labels that the public DNS does not delegate. Source: RFC 2606, RFC 6761, RFC 6762, ICANN's .internal."""

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_MOST_SHOWN = 5


def wanted(name: str) -> Wanted:
    """What a client asks for; raises ValueError for what is neither a DNS name nor an address."""
    try:
        return ip_address(name)
    except ValueError:
        pass
    host = name[:-1] if name.endswith(".") else name
    if not host.isascii():
        host = _ascii(host)
    host = host.lower()
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise ValueError(f"{shown(name)!r} is neither a DNS name nor an address")
    return host


def is_internal(name: Wanted | None) -> bool:
    """No public CA may certify it, so whoever does is private. Source: baseline requirements 4.2.2, 7.1.4.2."""
    if name is None:
        return False
    if not isinstance(name, str):
        return name.is_private
    return "." not in name or name.rpartition(".")[2] in INTERNAL or name.endswith(".home.arpa")


def of(certificate: Certificate) -> list[Wanted]:
    """The DNS names, as they stand in the certificate, and the addresses of its subjectAltName."""
    names = certificate.value(x509.SubjectAlternativeName)
    if names is None:
        return []
    found: list[Wanted] = list(names.get_values_for_type(x509.DNSName))
    addresses = names.get_values_for_type(x509.IPAddress)
    return found + [each for each in addresses if isinstance(each, IPv4Address | IPv6Address)]


def matches(pattern: Wanted, name: Wanted) -> bool:
    """Whether one name of a certificate is good for what the client asks for."""
    if not isinstance(pattern, str) or not isinstance(name, str):
        return type(pattern) is type(name) and pattern == name
    pattern = pattern.lower()
    if not pattern.startswith("*."):
        return pattern == name
    first, _, rest = name.partition(".")
    return bool(first) and rest == pattern[2:]


def examine(leaf: Certificate, name: Wanted | None) -> Iterator[Finding]:
    """Judge a leaf's names by themselves, and by what the client asks for."""
    mine = of(leaf)
    if not mine:
        yield ours(
            "names-missing",
            f"{leaf.label} has no DNS name or address in subjectAltName; no client reads the CN",
            fatal=name is not None,
        )
    elif name is not None:
        yield from _matching(leaf, mine, name)
    yield from _common_name(leaf, mine)


def _matching(leaf: Certificate, mine: list[Wanted], name: Wanted) -> Iterator[Finding]:
    fitting = [each for each in mine if matches(each, name)]
    if not fitting:
        some = ", ".join(shown(str(each)) for each in mine[:_MOST_SHOWN])
        more = f" and {len(mine) - _MOST_SHOWN} more" if len(mine) > _MOST_SHOWN else ""
        yield ours("wrong-name", f"{leaf.label} is for {some}{more}, and not for {name}")
    elif all(str(each).startswith("*.") and str(each).count(".") == 1 for each in fitting):
        yield ours("wildcard-too-wide", f"{leaf.label} is for {fitting[0]}: a wildcard right below a top-level domain")


def _common_name(leaf: Certificate, mine: list[Wanted]) -> Iterator[Finding]:
    """A CN that is none of the names, or spells one otherwise. Certificates are labelled with the domain above their
    names, too: that is a warning."""
    names = set(mine)
    spelled = {str(each) for each in mine}
    lowered = {each.lower() for each in spelled}
    for name in leaf.common_names[:_MOST_SHOWN] if mine else ():
        if name in spelled:
            continue
        address = _address(name)
        if address is not None and address in names:
            yield ours("common-name-misspelt", f"CN {shown(name)} is not how {address} is written")
        elif name.lower() in lowered or (not name.isascii() and _dotted(name)):
            yield ours("common-name-differs", f"CN {shown(name)} is not a copy of a name in subjectAltName")
        elif _dotted(name):
            fatal = not any(each.endswith(f".{name.lower()}") for each in lowered)
            yield ours("common-name-absent", f"CN {shown(name)} is none of the names in subjectAltName", fatal=fatal)


def _dotted(name: str) -> bool:
    return "." in name and " " not in name


def _address(text: str) -> Wanted | None:
    try:
        return ip_address(text)
    except ValueError:
        pass
    try:  # as C programs read it: 0xC0A80101, 192.168.001.001
        return IPv4Address(socket.inet_aton(text)) if text.isascii() and " " not in text else None
    except (OSError, ValueError):
        return None


def _ascii(host: str) -> str:
    import idna  # its tables take a while to load, and few names need them

    try:
        return idna.encode(host, uts46=True).decode()
    except (idna.IDNAError, UnicodeError) as error:
        raise ValueError(f"{shown(host)!r} is no internationalised name: {error}") from error
