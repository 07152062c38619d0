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
    ("not valid at validation time", "not-in-date"),
    ("signature does not match", "signature-invalid"),
    ("Forbidden signature algorithm", "signature-weak"),
    ("Forbidden public key algorithm", "key-not-public"),
    ("RSA key is too weak", "key-weak"),
    ("path length", "path-too-long"),
    ("name constraint", "name-constraints"),
    ("nameConstraints", "name-constraints"),
)
UNSUPPORTED_CONSTRAINT = ("unsupported directoryName constraint", "unsupported name constraint")
_MOST_ISSUERS = 8
_MOST_WORDS = 200


class Verdict(NamedTuple):
    """What the verifier says."""

    accepts: bool
    words: str = ""

    @property
    def code(self) -> str:
        """Ours for its words."""
        return next((code for part, code in CODES if part in self.words), "rejected")

    @property
    def is_of_name(self) -> bool:
        """It rejects for the name that was asked for, and may accept the path."""
        return self.code == "wrong-name"


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
    if relaxed:
        builder = builder.extension_policies(ca_policy=_private_authorities(), ee_policy=_private_leaves())
    subject = _subject(name) if name is not None else _own_subject(leaf)
    try:
        if subject is not None:
            builder.build_server_verifier(subject).verify(leaf.parsed, [each.parsed for each in issuers])
        else:
            policies = {"ca_policy": _authorities(relaxed=relaxed), "ee_policy": _nameless(relaxed=relaxed)}
            client = PolicyBuilder().store(Store([anchor.parsed])).time(at).extension_policies(**policies)
            client.build_client_verifier().verify(leaf.parsed, [each.parsed for each in issuers])
    except (VerificationError, ValueError, x509.UnsupportedGeneralNameType) as error:
        return Verdict(accepts=False, words=_words(error))
    return Verdict(accepts=True)


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
def _private_authorities() -> ExtensionPolicy:
    return (
        ExtensionPolicy.webpki_defaults_ca()
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign)
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_authority)
        .may_be_present(x509.AuthorityKeyIdentifier, Criticality.AGNOSTIC, None)
    )


@cache
def _private_leaves() -> ExtensionPolicy:
    return (
        ExtensionPolicy.webpki_defaults_ee()
        .may_be_present(x509.AuthorityKeyIdentifier, Criticality.AGNOSTIC, None)
        .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None)  # judged by our rules
    )


def _authorities(*, relaxed: bool) -> ExtensionPolicy:
    return _private_authorities() if relaxed else ExtensionPolicy.webpki_defaults_ca()


def _nameless(*, relaxed: bool) -> ExtensionPolicy:
    leaves = _private_leaves() if relaxed else ExtensionPolicy.webpki_defaults_ee()
    return leaves.may_be_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None).may_be_present(
        x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None
    )


def _may_sign(_policy: Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("keyUsage.keyCertSign must be asserted in a CA certificate")


def _is_authority(_policy: Policy, _certificate: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("cA must be asserted in a CA certificate")
