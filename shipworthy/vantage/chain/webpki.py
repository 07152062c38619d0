"""The WebPKI verdict on one path: cryptography's verifier, which judges as browsers do.

It also gives the relaxed verdict for private roots. Those are made with three lines of `openssl`, and few keep to the
profile of public ones: an authority without keyUsage or with basicConstraints that are not critical, a leaf without
authority key identifier. OpenSSL's clients accept all of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from shipworthy.vantage.chain import names
from shipworthy.vantage.chain.certificate import Certificate, shown

CODES = (
    ("has no matching subjectAltName", "wrong-name"),
    ("has no subjectAltName", "wrong-name"),
    ("invalid domain name", "name-invalid"),
    ("not valid at validation time", "not-in-date"),
    ("signature does not match", "signature-invalid"),
    ("Forbidden signature algorithm", "signature-weak"),
    ("Forbidden public key algorithm", "key-not-public"),
    ("RSA key is too weak", "key-weak"),
    ("path length", "path-too-long"),
    ("unaccounted-for critical", "critical-unknown"),
    ("name constraint", "name-constraints"),
    ("nameConstraints", "name-constraints"),
)
UNSUPPORTED_CONSTRAINT = ("unsupported directoryName constraint", "unsupported name constraint")
_MOST_ISSUERS = 8
_REASONS = (
    VerificationError,
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_MOST_WORDS = 200


class Verdict(NamedTuple):
    """What the verifier says."""

    accepts: bool
    words: str = ""
    about: str = ""
    """Which certificate is meant, where that is known."""

    @property
    def told(self) -> str:
        """Its words, with the certificate."""
        return f"{self.words} ({self.about})" if self.about else self.words

    @property
    def code(self) -> str:
        """Ours for its words."""
        return next((code for part, code in CODES if part in self.words), "rejected")

    @property
    def is_of_name(self) -> bool:
        """It rejects for the name that was asked for, and may accept the path."""
        return self.code in {"wrong-name", "name-invalid"}


def judge(
    leaf: Certificate,
    issuers: Sequence[Certificate],
    anchor: Certificate,
    name: names.Wanted | None,
    at: datetime,
    *,
    relaxed: bool = False,
) -> Verdict:
    """Ask cryptography. Without a name, one of the leaf's own is asked for, which is always right."""
    builder = PolicyBuilder().store(Store([anchor.parsed])).time(at).max_chain_depth(_MOST_ISSUERS)
    subject = _subject(name) if name is not None else _own_subject(leaf)
    leaves = _leaves(relaxed=relaxed, named=subject is not None)
    builder = builder.extension_policies(ca_policy=_authorities(relaxed=relaxed), ee_policy=leaves)
    served = [each.parsed for each in issuers]
    try:
        if subject is not None:
            builder.build_server_verifier(subject).verify(leaf.parsed, served)
        else:  # it is the same but for the purpose, which our rules judge
            builder.build_client_verifier().verify(leaf.parsed, served)
    except _REASONS as error:
        about = next((each.label for each in (leaf, *issuers, anchor) if _is_meant(each, str(error))), "")
        return Verdict(accepts=False, words=_words(error), about=about)
    return Verdict(accepts=True)


def _is_meant(each: Certificate, said: str) -> bool:
    try:
        return repr(each.parsed) in said
    except ValueError:  # its subject cannot be read
        return False


def _words(error: Exception) -> str:
    text = str(error).removeprefix("validation failed: ").removeprefix("candidates exhausted: ")
    text = text.partition(" (encountered processing")[0].partition(": AlgorithmIdentifier {")[0]
    return shown(text, _MOST_WORDS)


def _subject(name: names.Wanted) -> x509.DNSName | x509.IPAddress:
    return x509.DNSName(name) if isinstance(name, str) else x509.IPAddress(name)


def _own_subject(leaf: Certificate) -> x509.DNSName | x509.IPAddress | None:
    for name in names.of(leaf):
        if isinstance(name, IPv4Address | IPv6Address):
            return x509.IPAddress(name)
        try:
            mine = names.wanted(name.replace("*.", "a.", 1) if name.startswith("*.") else name)
        except ValueError:
            continue
        if mine == name.lower().replace("*.", "a.", 1) and "_" not in name:
            return _subject(mine)
    return None


@cache
def _authorities(*, relaxed: bool) -> ExtensionPolicy:
    policy = ExtensionPolicy.webpki_defaults_ca()
    if not relaxed:
        return policy
    return (
        policy.may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign)
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_authority)
        .may_be_present(x509.AuthorityKeyIdentifier, Criticality.AGNOSTIC, None)
    )


@cache
def _leaves(*, relaxed: bool, named: bool) -> ExtensionPolicy:
    policy = ExtensionPolicy.webpki_defaults_ee()
    if relaxed:
        policy = policy.may_be_present(x509.AuthorityKeyIdentifier, Criticality.AGNOSTIC, None)
    if not named:
        policy = policy.may_be_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
    if relaxed or not named:
        policy = policy.may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None)  # judged by our rules
    return policy


def _may_sign(_policy: Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("keyUsage.keyCertSign must be asserted in a CA certificate")


def _is_authority(_policy: Policy, _certificate: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("cA must be asserted in a CA certificate")
