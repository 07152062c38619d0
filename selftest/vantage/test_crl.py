"""A list counts where the certificate's own issuer signed it, about such certificates, at a place that it names."""

from __future__ import annotations

from contextlib import suppress

import pytest
from cryptography import x509
from hypothesis import given, settings

from selftest.chains import pki
from selftest.chains.authority import at_lists, crl, revoked
from selftest.changed import CHANGES, Changes, changed
from shipworthy.vantage.chain.certificate import read
from shipworthy.vantage.crl import RevocationList, urls_of
from shipworthy.vantage.meeting import Listed

URL = "http://crl.example.com/issuing.crl"
SIGNS = pki.usage("key_cert_sign", "crl_sign")
ROOT = pki.root()
ISSUING = pki.intermediate(ROOT, SIGNS)
TWIN = pki.intermediate(ROOT, SIGNS)
"""Of the same name, with another key."""
BEGIN, END, AT = pki.BEGIN.timestamp(), pki.END.timestamp(), pki.AT.timestamp()


LEAF = pki.leaf(ISSUING, at_lists(URL))


def at(url: str) -> list[x509.GeneralName]:
    return [x509.UniformResourceIdentifier(url)]


def scope(**fields: object) -> x509.IssuingDistributionPoint:
    usual: dict[str, object] = dict.fromkeys(("full_name", "relative_name", "only_some_reasons"))
    flags = ("only_contains_user_certs", "only_contains_ca_certs", "indirect_crl", "only_contains_attribute_certs")
    return x509.IssuingDistributionPoint(**usual | dict.fromkeys(flags, False) | fields)  # type: ignore[arg-type]


def said(data: bytes, of: pki.Issued = LEAF, issuer: pki.Issued = ISSUING) -> Listed | str:
    return RevocationList(data).says(read(of.der), read(issuer.der))


def test_what_the_issuer_says() -> None:
    other = revoked(pki.leaf(ISSUING))
    assert said(crl(ISSUING, other)) == Listed("CN=issuing", BEGIN, END, True, None, "")
    assert said(crl(ISSUING, other, revoked(LEAF))) == Listed("CN=issuing", BEGIN, END, True, AT, "")
    told = said(crl(ISSUING, revoked(LEAF, x509.ReasonFlags.key_compromise), other))
    assert told == Listed("CN=issuing", BEGIN, END, True, AT, "key_compromise")


@pytest.mark.parametrize("by", [TWIN, ROOT, pki.root(SIGNS, subject="CN=issuing")])
def test_what_another_says_is_unsigned(by: pki.Issued) -> None:
    told = said(crl(by))
    assert isinstance(told, Listed)
    assert not told.signed


def test_an_issuer_that_may_not_sign_lists_is_not_believed() -> None:
    issuing = pki.intermediate(ROOT, pki.usage("key_cert_sign"))
    told = said(crl(issuing), pki.leaf(issuing), issuing)
    assert isinstance(told, Listed)
    assert not told.signed


def test_an_issuer_without_key_usage_may_sign_lists() -> None:
    private = pki.private_root()
    assert said(crl(private), pki.leaf(private), private) == Listed("CN=private root", BEGIN, END, True, None, "")


def test_an_indirect_list_is_not_believed() -> None:
    """Its entries may be of other issuers: of another's certificate with the same serial number."""
    told = said(crl(ISSUING, extensions=(scope(indirect_crl=True),)))
    assert isinstance(told, Listed)
    assert not told.signed


OF_ANOTHER_KIND = "is about certificates of another kind"
OF_ANOTHER_POINT = "is the CRL of another distribution point"


@pytest.mark.parametrize(
    ("extension", "why"),
    [
        (x509.DeltaCRLIndicator(1), "is a delta CRL, which says only what is new"),
        (scope(only_contains_ca_certs=True), OF_ANOTHER_KIND),
        (scope(only_contains_attribute_certs=True), OF_ANOTHER_KIND),
        (scope(full_name=at("http://crl.example.com/2.crl")), OF_ANOTHER_POINT),
        (scope(relative_name=x509.RelativeDistinguishedName([*ROOT.subject])), OF_ANOTHER_POINT),
        (
            scope(only_some_reasons=frozenset([x509.ReasonFlags.key_compromise])),
            "tells only of some reasons for revocation",
        ),
        (
            x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"),
            "has a critical extension that is not understood: 1.2.3.4",
        ),
    ],
)
def test_a_list_in_which_it_would_not_stand_says_nothing(extension: x509.ExtensionType, why: str) -> None:
    assert said(crl(ISSUING, extensions=(extension,))) == why


@pytest.mark.parametrize(
    "extension",
    [scope(only_contains_user_certs=True), scope(full_name=at(URL)), x509.CRLNumber(7)],
)
def test_a_list_in_which_it_would_stand_counts(extension: x509.ExtensionType) -> None:
    assert said(crl(ISSUING, revoked(LEAF), extensions=(extension,))) == Listed("CN=issuing", BEGIN, END, True, AT, "")


def test_a_list_of_leaves_says_nothing_of_an_authority() -> None:
    assert said(crl(ROOT, extensions=(scope(only_contains_user_certs=True),)), ISSUING, ROOT) == OF_ANOTHER_KIND
    told = said(crl(ROOT, extensions=(scope(only_contains_ca_certs=True),)), ISSUING, ROOT)
    assert told == Listed("CN=root", BEGIN, END, True, None, "")


def test_where_lists_are() -> None:
    assert urls_of(read(LEAF.der)) == [URL]
    assert urls_of(read(ISSUING.der)) == []


@pytest.mark.parametrize("data", [b"", b"<html>", b"-----BEGIN X509 CRL-----\n", b"\x30\x80" * 30_000, LEAF.der])
def test_what_is_no_list_is_told(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^is no CRL in DER: ."):
        RevocationList(data)


LIST = crl(ISSUING, revoked(LEAF, x509.ReasonFlags.key_compromise))


@settings(max_examples=500)
@given(CHANGES)
def test_no_changed_byte_is_believed(changes: Changes) -> None:
    with suppress(ValueError):
        told = said(changed(LIST, changes))
        assert isinstance(told, str) or not told.signed or told == said(LIST)
