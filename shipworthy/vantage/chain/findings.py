"""What is found on a chain of certificates, and who found it.

The codes, by what they speak of; a verdict of OpenSSL or cryptography that has none of these is `rejected`:

- reading: `unreadable`, `extensions-malformed`, `version`, `too-many-served`, `too-many-paths`
- dates: `expired`, `not-yet-valid`, `not-in-date` (cryptography's word for both), `lifetime`
- the name: `wrong-name`, `names-missing`, `name-invalid`, `wildcard-too-wide`, `common-name-…`
- trust: `issuer-missing`, `root-unknown`, `signature-invalid`, `issuer-is-no-authority`, `path-too-long`,
  `name-constraints`, `critical-unknown`, `critical-missing`, `subject-missing`, `issuer-unidentified`,
  `anchor-is-no-root`, `root-purpose`, `root-key-identifier`, `root-issuer-named`
- strength: `key-weak`, `key-not-public`, `key-unreadable`, `signature-weak`, `serial`, `serial-zero`
- purpose: `purpose-missing`, `purpose-wrong`, `purpose-too-wide`, `purpose-critical`, `usage-wrong`
- what was served: `served-twice`, `served-out-of-order`, `served-unused`, `root-served`, `other-path`
- the verifiers: `profile` (rejected by rules that do not bind this chain), `verifiers-disagree`
"""

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
        "common-name-absent",
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
