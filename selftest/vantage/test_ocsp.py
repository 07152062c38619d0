"""A response counts where the issuer or its delegate signed it, about this certificate; whatever else is words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given, settings
from hypothesis import strategies as st

from selftest.chains import authority, pki
from selftest.chains.authority import GOOD, HASH, NAME, REVOKED, UNKNOWN
from selftest.changed import CHANGES, Changes, changed
from selftest.vantage.tls_servers import made
from shipworthy.vantage.ocsp import MOST_BYTES, Ocsp, question, read

FOR_OCSP = pki.purposes(x509.OID_OCSP_SIGNING)


def response(
    status: ocsp.OCSPCertStatus = GOOD, *, of: pki.Issued | None = None, issuer: pki.Issued | None = None, **fields: Any
) -> bytes:
    """Of the leaf, by its issuer, unless told otherwise."""
    return authority.response(of or made().leaf, issuer or made().issuing, status, **fields)


def said(data: bytes, of: pki.Issued | None = None, issuer: pki.Issued | None = None) -> Ocsp | str:
    return read(data, (of or made().leaf).der, (issuer or made().issuing).der)


def delegate(*changes: pki.Change, parent: pki.Issued | None = None, key: Any = None, **fields: Any) -> pki.Issued:
    return pki.leaf(parent or made().issuing, FOR_OCSP, *changes, subject="CN=responder", key=key, **fields)


BEGIN, END, AT = pki.BEGIN.timestamp(), pki.END.timestamp(), pki.AT.timestamp()


@pytest.mark.parametrize("named", [NAME, HASH])
@pytest.mark.parametrize("asked", [hashes.SHA1(), hashes.SHA256()])
def test_the_issuer_is_believed(named: ocsp.OCSPResponderEncoding, asked: hashes.HashAlgorithm) -> None:
    assert said(response(named=named, asked=asked)) == Ocsp("good", BEGIN, END, None, "")
    assert said(response(REVOKED, named=named)) == Ocsp("revoked", BEGIN, END, AT, "key_compromise")
    assert said(response(UNKNOWN, end=None)) == Ocsp("unknown", BEGIN, None, None, "")


@pytest.mark.parametrize("named", [NAME, HASH])
def test_its_delegate_is_believed_while_its_certificate_is_valid(named: ocsp.OCSPResponderEncoding) -> None:
    by = delegate()
    told = said(response(by=by, beside=(made().other, by), named=named))
    assert told == Ocsp("good", BEGIN, END, None, "", BEGIN, END)


@pytest.mark.parametrize("make", [lambda: rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate])
def test_keys_of_other_kinds(make: Callable[[], Any]) -> None:
    by, twin = delegate(key=make()), delegate(key=make())
    assert isinstance(said(response(by=by, beside=(by,))), Ocsp)
    assert said(response(by=twin, beside=(by,))) == "is not signed by CN=responder, whom it names"


def test_a_certificate_that_is_not_for_answers_is_not_believed() -> None:
    """As any server of the same CA could else say of another's certificate that it is good."""
    by = made().other
    assert said(response(by=by, beside=(by,))) == "is signed by CN=other.example, which is not for OCSPSigning"
    by = delegate(pki.purposes(x509.OID_SERVER_AUTH))
    assert said(response(by=by, beside=(by,))) == "is signed by CN=responder, which is not for OCSPSigning"
    by = delegate(pki.without(x509.ExtendedKeyUsage))
    assert said(response(by=by, beside=(by,))) == "is signed by CN=responder, which is not for OCSPSigning"


def test_a_delegate_of_somebody_else_is_not_believed() -> None:
    by = delegate(parent=pki.intermediate(made().root))  # of the issuer's name, with another key
    assert said(response(by=by, beside=(by,))) == "is signed by CN=responder, which the issuer did not issue"
    by = delegate(parent=made().root)
    assert said(response(by=by, beside=(by,))) == "is signed by CN=responder, which the issuer did not issue"


def test_who_is_not_there_is_not_believed() -> None:
    unknown = "is signed neither by the issuer nor by a certificate that came with it"
    assert said(response(by=delegate())) == unknown
    assert said(response(by=made().other)) == unknown
    assert said(response(by=made().root)) == unknown
    assert said(response(by=pki.intermediate(made().root))) == "is not signed by CN=issuing, whom it names"


def test_an_answer_about_another_is_none() -> None:
    assert said(response(of=made().other)) == "is about another certificate"
    twin = pki.leaf(made().root, serial=made().leaf.certificate.serial_number)
    assert said(response(of=twin, issuer=made().root, by=made().issuing)) == "is about another certificate"


def test_a_weak_signature_is_not_believed() -> None:
    by = delegate(key=rsa.generate_private_key(65537, 2048))
    with_sha256, with_sha1 = (bytes.fromhex(f"2a864886f70d0101{last}") for last in ("0b", "05"))
    assert (
        said(response(by=by, beside=(by,)).replace(with_sha256, with_sha1))
        == "is signed with SHA1, which proves nothing"
    )


@pytest.mark.parametrize("status", list(ocsp.OCSPResponseStatus)[1:])
def test_a_responder_that_declines_is_told(status: ocsp.OCSPResponseStatus) -> None:
    data = ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
    assert said(data) == f"is an error: {status.name.lower().replace('_', ' ')}"


@pytest.mark.parametrize("data", [b"", b"<html>", b"\x30\x03\x0a\x01\x00", b"\x30\x80" * 30_000, made().leaf.der])
def test_what_is_no_response_is_words(data: bytes) -> None:
    told = said(data)
    assert isinstance(told, str)
    assert told.startswith("cannot be read: ")


def test_a_large_one_is_not_looked_at() -> None:
    assert said(bytes(MOST_BYTES + 1)) == "has 65537 bytes, more than 65536: not looked at"


def test_certificates_that_cannot_be_read_are_words() -> None:
    assert isinstance(read(response(), b"\x30\x00", made().issuing.der), str)
    assert isinstance(read(response(), made().leaf.der, b""), str)
    with pytest.raises(ValueError, match="error parsing"):
        question(b"", made().issuing.der)


def test_the_question_names_the_certificate() -> None:
    asked = ocsp.load_der_ocsp_request(question(made().leaf.der, made().issuing.der))
    assert asked.serial_number == made().leaf.certificate.serial_number
    assert isinstance(asked.hash_algorithm, hashes.SHA1)
    assert not list(asked.extensions)


RESPONSE = response(REVOKED, by=(BY := delegate()), beside=(BY,))


@settings(max_examples=500)
@given(CHANGES)
def test_no_changed_byte_is_believed(changes: Changes) -> None:
    """Whatever is not signed may change, so what is believed says the same as before."""
    told = said(changed(RESPONSE, changes))
    assert told == said(RESPONSE) or (isinstance(told, str) and told.isprintable())


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_random_bytes_are_words(data: bytes) -> None:
    told = said(data)
    assert isinstance(told, str)
    assert told.isprintable()
