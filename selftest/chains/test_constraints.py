"""Name constraints: x509-limbo's nc suites, and the whole matrix of BetterTLS, made anew."""

from __future__ import annotations

import itertools
from functools import cache
from ipaddress import ip_network

import pytest
from cryptography import x509

from selftest.chains.pki import (
    NAME,
    Case,
    Change,
    Issued,
    case,
    constraints,
    dns,
    fatal,
    intermediate,
    ips,
    leaf,
    named,
    new_key,
    raw,
    root,
    san,
    without,
)

Names = list[x509.GeneralName]


def networks(*texts: str) -> Names:
    return [x509.IPAddress(ip_network(text)) for text in texts]


def directory(*texts: str) -> Names:
    return [x509.DirectoryName(named(text)) for text in texts]


def other() -> Names:
    return [x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.55738.666.3"), b"\x05\x00")]


CASES: dict[str, tuple[Names | None, Names | None, Names, str, bool]] = {
    # permitted, excluded, the leaf's names, what is asked for, accepted
    "permitted: match": (dns(NAME), None, dns(NAME), NAME, True),
    "permitted: deeper": (dns(NAME), None, dns("foo.bar.example.com"), "foo.bar.example.com", True),
    "permitted: mismatch": (dns(NAME), None, dns("not-example.com"), "not-example.com", False),
    "excluded: match": (None, dns(NAME), dns(NAME), NAME, False),
    "excluded: second name": (None, dns("no.example.com"), dns(NAME, "no.example.com"), NAME, False),
    "excluded before permitted": (dns(NAME), dns(NAME), dns(NAME), NAME, False),
    "address permitted": (networks("192.0.2.0/24"), None, ips("192.0.2.1"), "192.0.2.1", True),
    "address not permitted": (networks("192.0.2.0/24"), None, ips("192.0.3.1"), "192.0.3.1", False),
    "address excluded": (None, networks("192.0.2.0/24"), ips("192.0.2.1"), "192.0.2.1", False),
    "IPv6 permitted": (networks("::1/128"), None, ips("::1"), "::1", True),
    "IPv6 excluded": (None, networks("::1/128"), ips("::1"), "::1", False),
    "permitted: another kind": (networks("192.0.2.0/24"), None, dns(NAME), NAME, True),
    "excluded: another kind": (None, networks("192.0.2.0/24"), dns(NAME), NAME, True),
    "malformed: wildcard": (dns("*.example.com"), None, dns("foo.example.com"), "foo.example.com", False),
    "malformed: leading dot": (dns(".example.com"), None, dns("foo.example.com"), "foo.example.com", False),
    "malformed: IPv4 without mask": (ips("127.0.0.1"), None, ips("127.0.0.1"), "127.0.0.1", False),
    "malformed: IPv6 without mask": (ips("::1"), None, ips("::1"), "::1", False),
    "malformed name": (dns(NAME), None, dns(".example.com", "foo.example.com"), "foo.example.com", False),
    "malformed address": (
        networks("192.0.2.0/24"),
        None,
        [*networks("192.0.2.0/24"), *ips("192.0.2.1")],
        "192.0.2.1",
        False,
    ),
    "wildcard permitted": (dns(NAME), None, dns("*.example.com"), "foo.example.com", True),
    "wildcard over an excluded name": (
        dns(NAME),
        dns("bar.example.com"),
        dns("*.example.com"),
        "bar.example.com",
        False,
    ),
    "wildcard wider than permitted": (dns("foo.example.com"), None, dns("*.example.com"), "foo.example.com", False),
    "other name excluded": (dns(NAME), other(), [*dns(NAME), *other()], NAME, False),
    "other name excluded, and none there": (dns(NAME), other(), dns(NAME), NAME, True),
    "neither": (None, None, dns(NAME), NAME, False),
    "both empty": ([], [], dns(NAME), NAME, False),
}


@pytest.mark.parametrize("where", ["root", "intermediate"])
@pytest.mark.parametrize("what", CASES)
def test_constraints(what: str, where: str) -> None:
    permitted, excluded, names, asked, good = CASES[what]
    limits = constraints(permitted, excluded)
    above = [root(limits)] if where == "root" else [intermediate(top := root(), limits), top]
    made = case(leaf(above[0], san(*names), subject="O=some"), *above, name=asked)
    assert made.accepted() is good, made.findings()


@pytest.mark.parametrize(
    ("permitted", "excluded", "subject", "also", "good"),
    [
        (directory("CN=foo"), None, "CN=foo", directory("CN=foo"), True),
        (directory("CN=foo"), None, "CN=not-foo", directory("CN=not-foo"), False),
        (directory("CN=foo"), None, "CN=not-foo", directory("CN=foo"), False),
        (None, directory("CN=foo"), "CN=foo", directory("CN=foo"), False),
        (None, directory("CN=foo"), "CN=foo", directory("CN=not-foo"), False),
        (None, directory("CN=foo"), "CN=bar", [], True),
    ],
)
def test_directory_names_are_openssls_to_judge(
    permitted: Names | None, excluded: Names | None, subject: str, also: Names, good: bool
) -> None:
    top = root(constraints(permitted, excluded))
    assert case(leaf(top, san(*dns(NAME), *also), subject=subject), top).accepted() is good


def two(first: Change, second: Change, names: Names) -> list[Issued]:
    """A leaf under two intermediates."""
    top = root()
    upper = intermediate(top, first, subject="CN=upper")
    lower = intermediate(upper, second, subject="CN=lower")
    return [leaf(lower, san(*names), subject="O=some"), lower, upper, top]


@pytest.mark.parametrize(
    ("first", "second", "asked", "good"),
    [
        (constraints(dns("foo.example.com", "bar.example.com")), constraints(dns("bar.example.com")), "bar", True),
        (constraints(dns("foo.example.com", "bar.example.com")), constraints(dns("bar.example.com")), "foo", False),
        (constraints(dns("bar.example.com")), constraints(dns("foo.example.com", "bar.example.com")), "foo", False),
        (constraints(dns("foo.example.com"), dns("bar.example.com")), san(*dns("bar.example.com")), "foo", False),
        (constraints(dns("foo.example.com")), san(*dns("foo.example.com")), "foo", True),
    ],
)
def test_constraints_add_up_on_the_way_down(first: Change, second: Change, asked: str, good: bool) -> None:
    name = f"{asked}.example.com"
    assert case(*two(first, second, dns(name)), name=name).accepted() is good


def test_a_self_issued_intermediate_is_not_constrained_but_a_leaf_is() -> None:
    elsewhere = san(*dns("not-example.com"))
    top = root(constraints(dns(NAME)), elsewhere, subject="CN=not-example.com")
    middle = intermediate(top, elsewhere, subject="CN=not-example.com")
    assert case(leaf(middle), middle, top).accepted()
    assert not case(leaf(middle, elsewhere), middle, top, name="not-example.com").accepted()


def test_another_way_to_a_root_is_taken_where_one_is_constrained() -> None:
    key = new_key()
    first, second = root(subject="CN=first"), root(subject="CN=second")
    upper = intermediate(first, constraints(None, dns("forbidden.example.com")), subject="CN=upper")
    bad = intermediate(upper, san(*dns("forbidden.example.com")), subject="CN=lower", key=key)
    good = intermediate(second, san(*dns("fine.example.com")), subject="CN=lower", key=key)
    made = leaf(bad).der
    assert Case(made, [upper.der, bad.der, good.der], [first.der, second.der]).accepted()
    assert not Case(made, [upper.der, bad.der], [first.der, second.der]).accepted()


def test_hundreds_of_constraints_and_names_are_judged_in_time() -> None:
    permitted = dns(*(f"t{number}.test" for number in range(513)), ".test")
    excluded = dns(*(f"x{number}.test" for number in range(513)))
    top = root(constraints(permitted, excluded))
    assert not case(leaf(top, san(*permitted, critical=True), subject=""), top, name="t0.test").accepted()


KEY = new_key()
TOP = root()
UPPER = intermediate(TOP, subject="CN=upper")
VALID, INVALID = ("test.localhost", "127.0.0.1"), ("bad.example.com", "1.1.1.1")
VALID_TREE, INVALID_TREE = ("localhost", "127.0.0.0/24"), ("example.com", "1.1.1.0/24")
THREE = (None, True, False)


def picked(value: bool | None, kind: int) -> list[str]:
    return [] if value is None else [(VALID if value else INVALID)[kind]]


def tree(value: bool | None, kind: int) -> list[str]:
    return [] if value is None else [(VALID_TREE if value else INVALID_TREE)[kind]]


@cache
def constrained(limits: tuple[bool | None, ...]) -> Issued:
    """The lower intermediate, with these trees permitted and excluded, of DNS names and addresses."""
    permitted_dns, permitted_ip, excluded_dns, excluded_ip = limits
    permitted = [*dns(*tree(permitted_dns, 0)), *networks(*tree(permitted_ip, 1))]
    excluded = [*dns(*tree(excluded_dns, 0)), *networks(*tree(excluded_ip, 1))]
    limit = [constraints(permitted or None, excluded or None)] if permitted or excluded else []
    return intermediate(UPPER, *limit, subject="CN=lower", key=KEY)


def bettertls(
    common: str | None, name: bool | None, address: bool | None, limits: tuple[bool | None, ...], *, by_address: bool
) -> tuple[Case, bool]:
    """One case of BetterTLS's name constraints, and whether it expects the certificate to be accepted."""
    permitted_dns, permitted_ip, excluded_dns, excluded_ip = limits
    lower = constrained(limits)
    names = [*dns(*picked(name, 0)), *ips(*picked(address, 1))]
    alternative = san(*names) if names else without(x509.SubjectAlternativeName)
    subject = f"CN={common},O=some" if common else "O=some"
    asked = VALID[1] if by_address else VALID[0]
    made = case(leaf(lower, alternative, subject=subject, key=KEY), lower, UPPER, TOP, name=asked)
    matched = address if by_address else name
    violated = any(
        has is not None and ((may is not None and may is not has) or (never is not None and never is has))
        for has, may, never in ((name, permitted_dns, excluded_dns), (address, permitted_ip, excluded_ip))
    )
    return made, matched is True and not violated


@pytest.mark.parametrize("by_address", [False, True])
@pytest.mark.parametrize("common", [None, *VALID, *INVALID])
def test_the_matrix_of_bettertls(common: str | None, by_address: bool) -> None:
    wrong = []
    for name, address, *limits in itertools.product(THREE, repeat=6):
        if name is None and address is None and any(each is not None for each in limits):
            continue  # no names at all: rejected, whatever the constraints
        made, good = bettertls(common, name, address, tuple(limits), by_address=by_address)
        if made.accepted() is not good:
            wrong.append((name, address, limits, fatal(made.findings())))
    assert wrong == []


def test_constraints_that_cannot_be_read_are_fatal() -> None:
    top = root()
    middle = intermediate(top, raw("2.5.29.30", b"nonsense", critical=True))
    assert not case(leaf(middle), middle, top).accepted()
