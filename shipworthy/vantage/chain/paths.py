"""The ways from a leaf to roots: every path that names and signatures allow, the likeliest first, within bounds.

Verifiers differ in which path they try, and some try one only. So paths are found here, and each is judged by itself.
A certificate's node is its subject with its key: cross-signed loops come back to a node, and stop there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from shipworthy.vantage.chain.certificate import Certificate

MOST_ISSUERS = 8
"""Intermediates in a path, as in cryptography's verifier; public chains have one to three."""
MOST_PATHS = 64
MOST_SIGNATURES = 400
MOST_STEPS = 20_000

Path = tuple[Certificate, ...]
"""From the leaf to its anchor; a leaf that is itself trusted is its own anchor."""


class Paths:
    """The search of one chain; `found` makes the paths as they are asked for, and the rest tells why there are none."""

    def __init__(
        self, leaf: Certificate, served: Sequence[Certificate], roots: Iterable[Certificate], at: datetime
    ) -> None:
        self.longest: Path = (leaf,)
        """The one that came farthest, for saying whose issuer is missing."""
        self.unsigned: list[tuple[Certificate, Certificate]] = []
        """A certificate, and the bearer of its issuer's name that did not sign it."""
        self.stopped = False
        """The bounds were met before the search's end."""
        self.too_long = False
        """A way was given up for its length."""
        self._at = at
        self._leaf = leaf
        self._roots = _by_subject(roots)
        self._served = _by_subject(served)
        self._signed: dict[tuple[bytes, bytes], bool] = {}
        self._steps = 0

    def anchors(self) -> list[Certificate]:
        """The roots that bear the name of an issuer in the chain."""
        issuers = {self._leaf.issuer, self._leaf.subject}
        issuers.update(each.issuer for same in self._served.values() for each in same)
        return [root for issuer in sorted(issuers) for root in self._roots.get(issuer, ())]

    def found(self) -> Iterator[Path]:
        """Every path, at most MOST_PATHS."""
        if self._is_root(self._leaf):
            yield (self._leaf,)
        for number, path in enumerate(self._onwards((self._leaf,)), 1):
            yield path
            if number == MOST_PATHS:
                self.stopped = True
                return

    def _onwards(self, path: Path) -> Iterator[Path]:
        if len(path) > len(self.longest):
            self.longest = path
        for root in self._signers(path, self._roots):
            yield (*path, root)
        for issuer in self._signers(path, self._served):
            if self._is_root(issuer):
                continue  # it was tried as a root
            if len(path) > MOST_ISSUERS:
                self.too_long = True
                return
            yield from self._onwards((*path, issuer))

    def _signers(self, path: Path, among: dict[bytes, list[Certificate]]) -> Iterator[Certificate]:
        child = path[-1]
        nodes = {(each.subject, each.key) for each in path}
        candidates = sorted(among.get(child.issuer, ()), key=lambda each: self._likely(child, each), reverse=True)
        for issuer in candidates:
            self._steps += 1
            if self._steps > MOST_STEPS:
                self.stopped = True
                return
            if (issuer.subject, issuer.key) not in nodes and self._signs(issuer, child):
                yield issuer

    def _likely(self, child: Certificate, issuer: Certificate) -> tuple[bool, bool]:
        begin, end = issuer.validity()
        return begin <= self._at <= end, _identified(child, issuer)

    def _signs(self, issuer: Certificate, child: Certificate) -> bool:
        edge = (issuer.key, child.der)
        if edge not in self._signed:
            if len(self._signed) >= MOST_SIGNATURES:
                self.stopped = True
                return False
            self._signed[edge] = _signs(issuer, child)
            if not self._signed[edge]:
                self.unsigned.append((child, issuer))
        return self._signed[edge]

    def _is_root(self, certificate: Certificate) -> bool:
        return any(root.der == certificate.der for root in self._roots.get(certificate.subject, ()))


def _by_subject(certificates: Iterable[Certificate]) -> dict[bytes, list[Certificate]]:
    table: dict[bytes, dict[bytes, Certificate]] = defaultdict(dict)
    for each in certificates:
        table[each.subject][each.der] = each
    return {subject: list(same.values()) for subject, same in table.items()}


def _identified(child: Certificate, issuer: Certificate) -> bool:
    """The child's authority key identifier is the issuer's key identifier: the likelier one, tried first."""
    wanted = child.value(x509.AuthorityKeyIdentifier)
    has = issuer.value(x509.SubjectKeyIdentifier)
    return wanted is not None and has is not None and wanted.key_identifier == has.digest


def _signs(issuer: Certificate, child: Certificate) -> bool:
    try:
        child.parsed.verify_directly_issued_by(issuer.parsed)
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return True  # not for us to say: the verifiers judge the path
    return True
