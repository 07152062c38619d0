"""One certificate: what cryptography parsed, and the raw fields that it does not give.

Names and keys are compared as bytes: that is how clients chain certificates, and it works for keys of any algorithm.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID, PublicKeyAlgorithmOID
from OpenSSL import crypto

_KINDS = {
    PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5: "RSA",
    PublicKeyAlgorithmOID.RSASSA_PSS: "RSA",
    PublicKeyAlgorithmOID.EC_PUBLIC_KEY: "ECDSA",
    PublicKeyAlgorithmOID.ED25519: "ECDSA",
    PublicKeyAlgorithmOID.ED448: "ECDSA",
}
Value = TypeVar("Value", bound=x509.ExtensionType)

_UNREADABLE = (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)


@dataclass(frozen=True, eq=False)
class Certificate:
    """A certificate that could be read; `der` is its identity."""

    der: bytes
    parsed: x509.Certificate
    issuer: bytes
    subject: bytes
    key: bytes
    """The whole SubjectPublicKeyInfo."""

    @cached_property
    def label(self) -> str:
        """Who it is for, short and printable, for sentences."""
        try:
            names = self.parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            text = f"CN={_text(names[0].value)}" if names else self.parsed.subject.rfc4514_string()
        except _UNREADABLE:
            text = "(a subject that cannot be read)"
        return shown(text or "(empty subject)")

    @cached_property
    def common_names(self) -> list[str]:
        """The subject's CNs."""
        try:
            return [_text(each.value) for each in self.parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        except _UNREADABLE:
            return []

    @cached_property
    def malformed(self) -> str | None:
        """Why its extensions cannot be read, if so."""
        try:
            with quiet():
                self.parsed.extensions  # noqa: B018 -- reading parses
        except x509.UnsupportedGeneralNameType:
            return None  # an X.400 or EDI name: well formed, and of no use to a server
        except _UNREADABLE as error:
            return shown(str(error))
        return None

    @cached_property
    def _extensions(self) -> dict[type, x509.Extension[Any]]:
        try:
            with quiet():
                return {type(each.value): each for each in self.parsed.extensions}
        except _UNREADABLE:
            return {}

    def extension(self, kind: type[Value]) -> x509.Extension[Value] | None:
        """One extension with its criticality; None where there is none, or none that can be read."""
        return self._extensions.get(kind)

    def value(self, kind: type[Value]) -> Value | None:
        """One extension's value."""
        found = self.extension(kind)
        return found.value if found else None

    @cached_property
    def for_openssl(self) -> crypto.X509:
        """The same for OpenSSL; raises crypto.Error where that cannot read it."""
        return crypto.load_certificate(crypto.FILETYPE_ASN1, self.der)

    @property
    def key_bits(self) -> bytes:
        """The key alone, of which identifiers are made: the content of SubjectPublicKeyInfo's BIT STRING."""
        begin, _ = _content(self.key, 0)
        bits, size = _content(self.key, sum(_content(self.key, begin)))
        return self.key[bits + 1 : bits + size]

    @property
    def kind_of_key(self) -> str:
        """`RSA` or `ECDSA`, by which servers prove themselves with it in TLS 1.2; empty for any other."""
        return _KINDS.get(self.parsed.public_key_algorithm_oid, "")

    @property
    def is_self_issued(self) -> bool:
        """Issuer and subject are one name."""
        return self.issuer == self.subject

    @property
    def is_authority(self) -> bool:
        """It says of itself that it may issue."""
        constraints = self.value(x509.BasicConstraints)
        return constraints is not None and constraints.ca

    @cached_property
    def serial(self) -> int:
        """Whatever it is: negative, zero, or of any length."""
        with quiet():
            return self.parsed.serial_number

    def validity(self) -> tuple[datetime, datetime]:
        """From and to, in UTC, both inclusive."""
        return self.parsed.not_valid_before_utc, self.parsed.not_valid_after_utc


def read(der: bytes) -> Certificate:
    """Read DER; raises ValueError with the parser's reason."""
    try:
        with quiet():
            parsed = x509.load_der_x509_certificate(der)
            parsed.version, parsed.serial_number, parsed.not_valid_after_utc, parsed.not_valid_before_utc  # noqa: B018
    except (ValueError, TypeError, x509.InvalidVersion) as error:
        raise ValueError(str(error)) from error
    fields = _fields(parsed.tbs_certificate_bytes)
    return Certificate(der=der, parsed=parsed, issuer=fields[2], subject=fields[4], key=fields[5])


@contextmanager
def quiet() -> Iterator[None]:
    """What cryptography will not read some day, a negative serial number, is a finding, and no warning of Python's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        yield


def shown(text: str, most: int = 80) -> str:
    """Text of a stranger, short, and without what moves a terminal."""
    printable = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[: most + 1])
    return printable if len(printable) <= most else printable[: most - 1] + "…"


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()


def _fields(signed: bytes) -> list[bytes]:
    """Serial, algorithm, issuer, validity, subject and key, each with its header, of a parsed TBSCertificate."""
    at, _ = _content(signed, 0)
    if signed[at] == 0xA0:  # the version, absent from version 1
        at = sum(_content(signed, at))
    fields = []
    for _ in range(6):
        end = sum(_content(signed, at))
        fields.append(signed[at:end])
        at = end
    return fields


def _content(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at `at` begins, and how long it is. The parser has checked that it is there."""
    first = data[at + 1]
    if first < 0x80:
        return at + 2, first
    size = first & 0x7F
    return at + 2 + size, int.from_bytes(data[at + 2 : at + 2 + size], "big")
