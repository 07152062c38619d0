"""Which path is found: length, loops, cross-signing, what is missing, what was served and how; x509-limbo's pathlen,
pathological and cve suites and BetterTLS's path building, made anew."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from selftest.chains.pki import (
    NAME,
    Case,
    Issued,
    basic,
    case,
    constraints,
    dns,
    fatal,
    intermediate,
    leaf,
    new_key,
    patched,
    pem,
    purposes,
    root,
    san,
    warned,
    without,
)
from shipworthy.vantage.tls import Finding

LONG_EXPIRED = datetime(2012, 1, 1, tzinfo=UTC)


def below(*lengths: int | None, subjects: list[str] | None = None) -> Case:
    """A leaf below a root and intermediates with these path lengths, from the top."""
    chain = [root()]
    for number, length in enumerate(lengths):
        subject = subjects[number] if subjects else f"CN=issuing {number}"
        chain.insert(0, intermediate(chain[0], basic(ca=True, length=length), subject=subject))
    return case(leaf(chain[0]), *chain)


@pytest.mark.parametrize(
    ("lengths", "good"),
    [((0,), True), ((1,), True), ((2,), True), ((0, 0), False), ((1, 2), True), ((1, 0, 0), False), ((2, 1, 0), True)],
)
def test_path_lengths_are_kept(lengths: tuple[int, ...], good: bool) -> None:
    assert below(*lengths).accepted() is good


def test_a_self_issued_certificate_does_not_count_for_the_path_length() -> None:
    made = below(1, 1, 0, subjects=["CN=same", "CN=same", "CN=last"]).findings()
    assert (fatal(made), warned(made)) == (set(), {"profile", "verifiers-disagree"})


def test_eight_intermediates_are_a_path_and_nine_are_not() -> None:
    assert below(*[None] * 8).accepted()
    assert not below(*[None] * 9).accepted()


def test_of_too_many_issuers_none_is_said_to_be_missing() -> None:
    findings = below(*[None] * 9).findings()
    assert fatal(findings) == {"path-too-long"}
    assert "over 8 issuers of CN=example.com no trusted root is reached, and there are more" in {
        finding.sentence for finding in findings
    }


def test_issuers_that_vouch_for_each_other_are_not_said_to_be_missing() -> None:
    one, two = root(subject="CN=one"), root(subject="CN=two")
    served = [intermediate(one, subject="CN=two", key=two.key), intermediate(two, subject="CN=one", key=one.key)]
    findings = Case(leaf(one).der, [each.der for each in served], [root().der]).findings()
    assert [finding.sentence for finding in findings if finding.by == "ours" and finding.fatal] == [
        "the issuers of CN=example.com vouch for each other, and no trusted root for them"
    ]


def test_what_nobody_trusts_is_not_said_to_be_trusted() -> None:
    middle = intermediate(root(), without(x509.AuthorityKeyIdentifier))
    findings = Case(leaf(middle).der, [middle.der], [root(subject="CN=other").der]).findings()
    assert {finding.code for finding in findings} == {"issuer-missing"}
    weak = intermediate(root(), purposes(ExtendedKeyUsageOID.EMAIL_PROTECTION))
    findings = Case(leaf(weak).der, [weak.der], [root(subject="CN=other").der]).findings()
    assert fatal(findings) == {"issuer-missing", "purpose-wrong"}


@pytest.mark.parametrize("count", [64, 90])
def test_expired_twins_of_an_intermediate_do_not_hide_the_good_one(count: int) -> None:
    good = intermediate(top := root())
    key = good.key
    twins = [intermediate(top, key=key, end=LONG_EXPIRED).der for _ in range(count)]
    findings = Case(leaf(good).der, [*twins, good.der], [top.der]).findings()
    assert (fatal(findings), warned(findings)) == (set(), {"served-unused"})


def test_a_missing_intermediate_is_named() -> None:
    middle = intermediate(top := root())
    findings = case(leaf(middle), top).findings()
    assert fatal(findings) == {"issuer-missing"}
    assert "the issuer of CN=example.com was not served, and is no root that is trusted" in [
        finding.sentence for finding in findings
    ]


def test_an_unknown_root_is_not_a_missing_issuer() -> None:
    middle = intermediate(top := root())
    other = root(subject="CN=other")
    findings = Case(leaf(middle).der, [middle.der, top.der], [other.der]).findings()
    assert fatal(findings) == {"root-unknown"}
    assert fatal(Case(leaf(middle).der, [middle.der], []).findings()) == {"issuer-missing"}


def test_a_root_of_the_same_name_that_did_not_sign_is_said() -> None:
    made = leaf(root())
    assert "signature-invalid" in fatal(case(made, root()).findings())
    assert "signature-invalid" in fatal(case(leaf(root(), without(x509.AuthorityKeyIdentifier)), root()).findings())


def test_a_changed_leaf_is_not_signed() -> None:
    made = leaf(top := root())
    other = leaf(top)
    mixed = made.der.replace(made.certificate.signature, other.certificate.signature[: len(made.certificate.signature)])
    assert not Case(mixed, [], [top.der]).accepted()


def test_an_intermediate_may_be_what_is_trusted() -> None:
    middle = intermediate(top := root())
    findings = Case(leaf(middle).der, [top.der], [middle.der]).findings()
    assert (fatal(findings), warned(findings)) == (set(), {"anchor-is-no-root", "served-unused"})


def test_the_expired_cross_certificate_of_a_trusted_root_is_passed_by() -> None:
    old, new = root(subject="CN=old"), root(subject="CN=new")
    cross = intermediate(old, subject="CN=new", key=new.key, end=LONG_EXPIRED)
    findings = Case(leaf(new).der, [cross.der], [old.der, new.der]).findings()
    assert (fatal(findings), warned(findings)) == (set(), {"served-unused"})


def test_a_certificate_that_only_the_worse_way_needs_is_no_obstacle() -> None:
    """OpenSSL tries one path; where that is the wrong one, its clients fail, and this is said."""
    key = new_key()
    first, second = root(subject="CN=first"), root(subject="CN=second")
    bad = intermediate(first, purposes(ExtendedKeyUsageOID.EMAIL_PROTECTION), key=key)
    good = intermediate(second, key=key)
    both = Case(leaf(good).der, [bad.der, good.der], [first.der, second.der])
    assert both.accepted()
    assert not Case(leaf(good).der, [bad.der], [first.der, second.der]).accepted()
    expired = intermediate(first, key=key, end=LONG_EXPIRED)
    findings = Case(leaf(good).der, [expired.der, good.der], [first.der, second.der]).findings()
    assert fatal(findings) == set()


@pytest.mark.parametrize("mutual", [("CN=one", "CN=two"), ("CN=same", "CN=same")])
def test_a_loop_that_leads_to_no_root_ends(mutual: tuple[str, str]) -> None:
    keys = new_key(), new_key()
    one, two = (Issued(root(subject=subject, key=key).der, key) for subject, key in zip(mutual, keys, strict=True))
    first = intermediate(two, subject=mutual[0], key=keys[0])
    second = intermediate(one, subject=mutual[1], key=keys[1])
    assert not Case(leaf(first).der, [first.der, second.der], [root().der]).accepted()


def test_a_knot_of_cross_signed_roots_is_found_through() -> None:
    """CVE-2024-0567: A, B and C sign each other, and A is trusted."""
    roots = {name: root(subject=f"CN=Root {name}") for name in "ABC"}
    issuing = {name: intermediate(roots[name], subject=f"CN=Issuing {name}") for name in "ABC"}
    cross = [
        intermediate(roots[by], subject=f"CN=Root {of}", key=roots[of].key)
        for of, by in itertools.permutations("ABC", 2)
    ]
    served = [*issuing.values(), *cross]
    made = leaf(issuing["A"], san(*dns(NAME), critical=True), subject="")
    assert Case(made.der, [each.der for each in served], [roots["A"].der]).accepted()


@pytest.mark.parametrize("count", [12, 100])
def test_many_of_one_name_and_key_cost_bounded_time(count: int) -> None:
    """Every one of them could have issued every other: count to the eighth paths, and none to a root."""
    key = new_key()
    itself = Issued(root(subject="CN=same", key=key).der, key)
    knot = [intermediate(itself, subject="CN=same", key=key) for _ in range(count)]
    assert_quick(Case(leaf(itself).der, [each.der for each in knot], [root().der]))


def test_many_of_one_name_and_different_keys_cost_bounded_time() -> None:
    keys = [new_key() for _ in range(9)]
    own = [Issued(root(subject="CN=same", key=key).der, key) for key in keys]
    knot = [
        intermediate(own[by], without(x509.AuthorityKeyIdentifier), subject="CN=same", key=keys[of])
        for by, of in itertools.permutations(range(9), 2)
    ]
    findings = assert_quick(Case(leaf(own[0]).der, [each.der for each in knot], [root().der]))
    assert [finding.sentence for finding in findings if finding.fatal and finding.by == "ours"] == [
        "among the ways that were looked at none leads to a root, and there are more"
    ]


def assert_quick(made: Case) -> list[Finding]:
    before = time.process_time()
    findings = made.findings()
    assert fatal(findings)
    assert time.process_time() - before < 2
    return findings


BAD_EDGES: dict[str, Callable[[], dict[str, Any]]] = {
    "expired": lambda: {"end": LONG_EXPIRED},
    "constraints": lambda: {"changes": [constraints(dns("bad.example.net"))]},
    "purpose": lambda: {"changes": [purposes(ExtendedKeyUsageOID.EMAIL_PROTECTION)]},
    "no basicConstraints": lambda: {"changes": [without(x509.BasicConstraints)]},
    "no CA": lambda: {"changes": [basic(ca=False)]},
}
GRAPHS: dict[str, tuple[list[str], str, list[str]]] = {
    # Edges of RFC 4158: who signs whom; who signs the leaf; the edges that are bad.
    "figure seven": (["CB", "AB", "CA", "AC", "TC", "TA"], "B", ["TC"]),
    "figure seven, other way": (["CB", "AB", "CA", "AC", "TC", "TA"], "B", ["TA", "CB"]),
    "figure seven, longest way": (["CB", "AB", "CA", "AC", "TC", "TA"], "B", ["AB", "TC"]),
    "bridge": (["TW", "WX", "XW", "XL", "LN", "WB", "BW", "BX", "XB", "TB"], "N", ["WX", "TB"]),
}


@pytest.mark.parametrize("reason", BAD_EDGES)
@pytest.mark.parametrize("graph", GRAPHS)
def test_a_way_round_bad_certificates_is_found(graph: str, reason: str) -> None:
    edges, last, bad = GRAPHS[graph]
    nodes = {name: root(subject=f"CN={name}") for name in sorted({name for edge in edges for name in edge})}
    served = []
    for edge in edges:
        source, target = edge[0], edge[1]
        changed = BAD_EDGES[reason]() if edge in bad else {}
        changes = changed.pop("changes", [])
        served.append(
            intermediate(nodes[source], *changes, subject=f"CN={target}", key=nodes[target].key, **changed).der
        )
    assert Case(leaf(nodes[last]).der, served, [nodes["T"].der]).accepted()


def test_what_was_served_is_told_by_what_was_needed() -> None:
    lower = intermediate(upper := intermediate(top := root(), subject="CN=upper"), subject="CN=lower")
    mine, other = leaf(lower).der, intermediate(root(), subject="CN=other").der

    def told(*served: bytes) -> set[str]:
        findings = Case(mine, served, [top.der]).findings()
        assert fatal(findings) == set()
        return warned(findings)

    assert told(lower.der, upper.der) == set()
    assert told(upper.der, lower.der) == {"served-out-of-order"}
    assert told(lower.der, lower.der, upper.der) == {"served-twice"}
    assert told(mine, lower.der, upper.der) == {"served-twice"}
    assert told(lower.der, upper.der, top.der) == {"root-served"}
    assert told(lower.der, upper.der, other) == {"served-unused"}


def test_pem_der_and_bundles_are_the_same() -> None:
    middle = intermediate(top := root())
    mine = leaf(middle)
    text = (
        b"  subject=CN = example.com\r\n"
        + pem(mine.der).replace(b"\n", b"\r\n")
        + b"0 s:CN = issuing\n"
        + pem(middle.der)
    )
    for made in (
        Case(pem(mine.der), [pem(middle.der)], [pem(top.der)]),
        Case(text, [], [pem(root(subject="CN=x").der) + pem(top.der)]),
        Case(mine.der, [pem(middle.der) + pem(middle.der)[:0]], [top.der, top.der]),
    ):
        assert made.findings() == []


def test_a_root_that_cannot_be_read_spoils_no_other() -> None:
    made = leaf(top := root())
    findings = Case(made.der, [b"garbage"], [b"garbage", top.der]).findings()
    assert (fatal(findings), warned(findings)) == (set(), {"unreadable"})


def test_an_intermediate_with_an_impossible_key_is_no_issuer() -> None:
    middle = intermediate(top := root())
    key = middle.certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    broken = patched(middle, top.key, point, point[:1] + bytes(64))
    assert not Case(leaf(middle).der, [broken.der], [top.der]).accepted()
