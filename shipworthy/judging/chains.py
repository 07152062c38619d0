"""Chains as servers showed them, understood: read once, judged once, for all claims and all addresses that show them.

In: certificates in base64, roots, a name, a time. Out: `Chain`. Raises NotMeasured for what is no base64: a stored run
may have been touched; what a server showed has been encoded by us.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509

from shipworthy.errors import NotMeasured
from shipworthy.vantage.chain import judging, loading, names
from shipworthy.vantage.chain.certificate import Certificate, shown
from shipworthy.vantage.chain.paths import Path, Paths
from shipworthy.vantage.tls import Finding, accepted, examine_chain

_MOST_TEXT = 200


@dataclass(frozen=True)
class Chain:
    """What one address showed, and what it comes to."""

    served: tuple[Certificate, ...]
    """Those that can be read, as they were served."""
    leaf: Certificate | None
    """None where it cannot be read."""
    findings: tuple[Finding, ...]
    path: Path
    """Of those to a root, the one that lasts the longest; empty where there is none."""
    walk: Path
    """From issuer to issuer by their names, among the served and the roots, as far as it goes; without a leaf empty."""

    @property
    def known(self) -> Path:
        """The path, or as much of one as there is."""
        return self.path or self.walk

    @property
    def anchor(self) -> Certificate | None:
        """What is trusted, or the root that the walk came to."""
        if self.path:
            return self.path[-1]
        return self.walk[-1] if self.walk and self.walk[-1].is_self_issued else None


def decoded(text: str) -> bytes:
    """Base64 to bytes; raises NotMeasured."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NotMeasured("a certificate as it is stored is no base64") from None


@lru_cache(maxsize=4096)
def read(text: str) -> tuple[Certificate | None, str]:
    """A certificate in base64, or why it is none."""
    loaded = loading.load(decoded(text), most=1)
    return (loaded.certificates[0], "") if loaded.certificates else (None, "; ".join(loaded.problems))


@lru_cache(maxsize=2048)
def understood(
    texts: tuple[str, ...], roots: tuple[str, ...], name: str, at: datetime, private: bool | None = None
) -> Chain:
    """Judge what was served, as a client would that asks for `name` and trusts `roots`.

    `private`: only its own rules bind it; None where that is to be seen from the chain.
    """
    ders, anchors = [decoded(text) for text in texts], [decoded(text) for text in roots]
    findings = tuple(examine_chain(ders[0], ders[1:], anchors, name, at, private=private))
    readable = [certificate for certificate, _ in map(read, texts) if certificate]
    trusted = [certificate for certificate, _ in map(read, roots) if certificate]
    leaf, _ = read(texts[0])
    if leaf is None:
        return Chain(tuple(readable), None, findings, (), ())
    return Chain(
        tuple(readable),
        leaf,
        findings,
        _lasting(Paths(leaf, readable[1:], trusted, at), name, at, private),
        _walk(leaf, [*readable[1:], *trusted]),
    )


def _lasting(search: Paths, name: str, at: datetime, private: bool | None) -> Path:
    """Where there are several ways, clients find one that is right; that which ends last is what counts."""
    found = list(search.found())
    if len(found) > 1:
        wanted = _wanted(name)
        found = [path for path in found if accepted(judging.judge(path, wanted, at, private=private))] or found
    return max(found, key=ends, default=())


def ends(path: Path) -> datetime:
    """When the first of a path's certificates expires."""
    return min(each.validity()[1] for each in path)


def _wanted(name: str) -> names.Wanted | None:
    try:
        return names.wanted(name)
    except ValueError:
        return None


def _walk(leaf: Certificate, others: Sequence[Certificate]) -> Path:
    walked = [leaf]
    while not walked[-1].is_self_issued:
        above = [each for each in others if each.subject == walked[-1].issuer and each not in walked]
        if not above:
            break
        walked.append(above[0])
    return tuple(walked)


def written(name: x509.Name) -> str:
    """A name as RFC 4514 writes it, printable and cut."""
    try:
        return shown(name.rfc4514_string(), _MOST_TEXT) or "(empty)"
    except (ValueError, TypeError):
        return "(a name that cannot be read)"


def serial(certificate: Certificate) -> str:
    """As openssl writes it: in whole bytes."""
    digits = f"{abs(certificate.serial):X}"
    return shown(f"{'-' if certificate.serial < 0 else ''}{'0' * (len(digits) % 2)}{digits}", 42)


def day(when: datetime) -> str:
    """`2027-02-03`."""
    return f"{when:%Y-%m-%d}"


def moment(when: datetime) -> str:
    """`2027-02-03 12:00:00 UTC`."""
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"
