"""What a trust store has of issuers: of this system's own, of made ones, and of such as are none."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from selftest.chains import pki
from shipworthy.probes.parts import trust_store
from shipworthy.probes.parts.trust_store import matching, read_store

ROOT = pki.root(subject="CN=the root,O=Example")
ELDER = pki.root(subject="CN=the elder")
CROSS = pki.issue(ROOT.subject, ROOT.key, ELDER, [pki.basic(ca=True)])
OTHERS = [pki.root(subject=f"CN=other {number}") for number in range(3)]


def pem(*issued: pki.Issued) -> bytes:
    return b"".join(one.certificate.public_bytes(Encoding.PEM) for one in issued)


def name(*attributes: tuple[x509.ObjectIdentifier, str, _ASN1Type]) -> bytes:
    return x509.Name([x509.NameAttribute(oid, text, kind) for oid, text, kind in attributes]).public_bytes()


def subject(issued: pki.Issued) -> bytes:
    return issued.subject.public_bytes()


def test_only_what_is_sought_is_found() -> None:
    data = pem(OTHERS[0], ROOT, *OTHERS[1:])
    assert matching(data, [subject(ROOT)]) == (4, [ROOT.der])
    assert matching(data, [subject(ELDER)]) == (4, [])
    assert matching(data, []) == (4, [])
    assert matching(b"", [subject(ROOT)]) == (0, [])


def test_the_issuers_of_what_is_found_are_sought_too() -> None:
    size, found = matching(pem(ELDER, *OTHERS, CROSS, ROOT), [subject(ROOT)])
    assert size == 6
    assert set(found) == {ROOT.der, CROSS.der, ELDER.der}


UTF8, PRINTABLE, T61, BMP = _ASN1Type.UTF8String, _ASN1Type.PrintableString, _ASN1Type.T61String, _ASN1Type.BMPString


@pytest.mark.parametrize(
    ("common", "organisation", "is_same"),
    [
        (("the root", UTF8), ("Example", UTF8), True),
        (("the root", PRINTABLE), ("Example", UTF8), True),
        (("the root", BMP), ("Example", T61), True),
        (("THE  ROOT ", PRINTABLE), ("example", PRINTABLE), True),
        (("theroot", UTF8), ("Example", UTF8), False),
        (("the root", UTF8), ("Examples", UTF8), False),
    ],
)
def test_names_are_compared_as_rfc_5280_says(
    common: tuple[str, _ASN1Type], organisation: tuple[str, _ASN1Type], is_same: bool
) -> None:
    asked = name((NameOID.ORGANIZATION_NAME, *organisation), (NameOID.COMMON_NAME, *common))
    assert bool(matching(pem(ROOT), [asked])[1]) == is_same


def test_the_order_of_names_counts() -> None:
    asked = name((NameOID.COMMON_NAME, "the root", UTF8), (NameOID.ORGANIZATION_NAME, "Example", UTF8))
    assert matching(pem(ROOT), [asked]) == (1, [])


@given(st.binary(max_size=60), st.lists(st.binary(max_size=40), max_size=3))
def test_nothing_that_is_asked_or_stored_breaks_it(noise: bytes, issuers: list[bytes]) -> None:
    at = len(ROOT.der) // 3
    spoilt = pki.Issued(ROOT.der[:at] + noise + ROOT.der[at + len(noise) :], None)
    block = b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n" % base64.b64encode(spoilt.der)
    size, found = matching(pem(ELDER) + block + pem(ROOT), [subject(ROOT), *issuers])
    assert size in {1, 3}
    assert size == 1 or ROOT.der in found


@given(st.binary(max_size=200))
def test_no_bytes_break_it(data: bytes) -> None:
    wrapped = b"\x30\x82" + len(data).to_bytes(2, "big") + data
    for one in (data, wrapped, b"\x30\x82" + (len(wrapped)).to_bytes(2, "big") + wrapped):
        block = b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n" % base64.b64encode(one)
        assert matching(block, [one, data])[0] <= 1
        assert matching(one, [one]) == (0, [])


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "roots.pem"
    file.write_bytes(b"# ours\n" + pem(ROOT, *OTHERS))
    assert read_store(str(file), [subject(ROOT)]) == (str(file), 4, [ROOT.text], "")


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_this_systems_own_is_found() -> None:
    path, size, roots, error = read_store("", [])
    expected = next((place for place in trust_store.PLACES if Path(place).exists()), "")
    assert (path, roots) == (expected, [])
    if not expected:
        assert error
        pytest.skip("there is none here")
    assert (size, error) == (Path(path).read_bytes().count(b"-----BEGIN CERTIFICATE-----"), "")
    held = x509.load_pem_x509_certificates(Path(path).read_bytes())
    every = {certificate.public_bytes(Encoding.DER) for certificate in held}
    found = {der for one in held for der in matching(Path(path).read_bytes(), [one.subject.public_bytes()])[1]}
    assert found == every, "each is found by its own subject"


def test_a_system_that_has_none_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust_store, "PLACES", ("/nonexistent",))
    assert read_store("", []) == ("", 0, [], "this system has no trust store in any of the usual places")


@pytest.mark.parametrize(
    ("content", "size", "error"),
    [
        (b"", 0, "no certificate in it"),
        (os.urandom(1000), 0, "no certificate in it"),
        (
            pem(OTHERS[0]) + b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n" + pem(OTHERS[1]),
            1,
            "damaged",
        ),
        (bytes(trust_store.MOST_BYTES + 1), 0, "more than 8 MiB"),
    ],
    ids=["empty", "noise", "damaged", "too long"],
)
def test_what_is_wrong_with_a_file_is_said(content: bytes, size: int, error: str, tmp_path: Path) -> None:
    file = tmp_path / "roots.pem"
    file.write_bytes(content)
    found = read_store(str(file), [subject(ROOT)])
    assert (found.size, found.roots) == (size, [])
    assert error in found.error


@pytest.mark.parametrize(
    ("path", "error"), [("/nonexistent", "No such file"), ("/dev/zero", "no regular file"), ("/", "no regular file")]
)
def test_what_is_no_file_is_said(path: str, error: str) -> None:
    assert error in read_store(path, []).error


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read_store(str(tmp_path / "pipe"), []).error == "no regular file"


def test_thousands_are_read_quickly_and_no_more_than_so_many() -> None:
    data = pem(*OTHERS) * 1400
    begun = time.monotonic()
    size, found = matching(data, [subject(OTHERS[0])])
    assert time.monotonic() - begun < 10
    assert (size, found) == (trust_store.MOST_CERTIFICATES, [OTHERS[0].der])


def test_a_store_full_of_one_name_is_not_handed_over(tmp_path: Path) -> None:
    many = [pki.issue(ROOT.subject, ROOT.key, None, [pki.basic(ca=True)], serial=number + 1) for number in range(900)]
    (tmp_path / "roots.pem").write_bytes(pem(*many))
    found = read_store(str(tmp_path / "roots.pem"), [subject(ROOT)])
    assert (found.size, found.roots, found.error) == (900, [], "what it has of them takes more than 256 KiB")
