"""What is found on a chain of certificates, and who found it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

By = Literal["openssl", "webpki", "ours"]


class Finding(NamedTuple):
    """One thing that is wrong with a chain, or odd."""

    code: str
    """A word for machines: `expired`, `wrong-name`, `key-weak`."""
    sentence: str
    """What, where, and by how much, for people."""
    fatal: bool
    """A public server with this chain is not to be trusted. The others are warnings."""
    by: By
    """Whose verdict: OpenSSL's, that of cryptography's verifier (`webpki`), or `ours` on what both leave to callers."""


PUBLIC_ONLY = frozenset(
    {
        "common-name-differs",
        "issuer-unidentified",
        "key-not-public",
        "purpose-critical",
        "purpose-missing",
        "purpose-too-wide",
        "root-key-identifier",
        "root-purpose",
        "serial-zero",
        "wildcard-too-wide",
    }
)
"""What only the rules for public certificates forbid: a warning where the root is private."""


def accepted(findings: Iterable[Finding]) -> bool:
    """Whether a public server may show this chain."""
    return not any(finding.fatal for finding in findings)


def ours(code: str, sentence: str, *, fatal: bool = True) -> Finding:
    """A finding of our own rules."""
    return Finding(code, sentence, fatal, "ours")


def softened(findings: Iterable[Finding], *, private: bool) -> list[Finding]:
    """Under a private root, what only public certificates must keep to is a warning."""
    return [each._replace(fatal=False) if private and each.code in PUBLIC_ONLY else each for each in findings]
