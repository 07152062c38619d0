"""A lab's own PKI: what is wrong with a certificate is served as it is, over both families."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from lab import Lab, LabHost
from lab.pki import Issued, Pki, Seen, Site, intermediate, issue, ocsp_response, pki, rsa_key, seen, web
from lab.pki.client import endpoint
from shipworthy.vantage.tls import examine_chain

pytestmark = pytest.mark.xdist_group("pki")

NAME = "www.example.test"
AUTHORITIES = pki()
RIGHT = AUTHORITIES.server(NAME, "10.77.0.12", "fd77::c")


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of the lab's root."""
    path = tmp_path_factory.mktemp("roots") / "root.pem"
    path.write_text(AUTHORITIES.root.pem)
    return str(path)


def both(
    fleet: Lab, host: LabHost, port: int = 443, *options: str, name: str = NAME, starttls: str = ""
) -> dict[str, Seen]:
    """What `here` sees of each address."""
    addresses = (host.address, host.address6)
    return {to: seen(fleet.here, to, port, *options, name=name, starttls=starttls) for to in addresses}


def served(
    fleet: Lab, host: LabHost, port: int = 443, name: str = NAME, starttls: str = ""
) -> list[list[x509.Certificate]]:
    """Each address's chain, IPv4 first."""
    return [list(one.chain) for one in both(fleet, host, port, name=name, starttls=starttls).values()]


def certificates(*chain: Issued) -> list[x509.Certificate]:
    return [one.certificate for one in chain]


class Wrong(NamedTuple):
    """A site with one thing wrong, and what openssl says of it."""

    site: Site
    errors: frozenset[int] = frozenset()
    """Its numbers: `man openssl-verification-options`."""
    says: str = ""
    """A pattern."""


def wrong(at: Pki) -> dict[str, Wrong]:
    """Sites by what is wrong with them."""
    leaf, two = at.server, intermediate(upper := issue("Lab Policy", at.root, authority=True, purposes=()), "Lab Lower")
    low, fresh, other = leaf(NAME, by=two), leaf(NAME), leaf("other.example.test")
    return {
        "nothing": Wrong(Site(fresh.chain), says="Verify return code: 0"),
        "expired leaf": Wrong(Site(leaf(NAME, until=-0.1).chain), frozenset({10})),
        "expired intermediate": Wrong(Site(leaf(NAME, by=intermediate(at.root, until=-0.1)).chain), frozenset({10})),
        "not yet valid": Wrong(Site(leaf(NAME, since=1).chain), frozenset({9})),
        "missing intermediate": Wrong(Site(fresh.chain[:1]), frozenset({20, 21})),
        "wrong order": Wrong(Site((low, upper, two))),
        "extra certificate": Wrong(Site((*fresh.chain, other))),
        "wrong name": Wrong(Site(other.chain), frozenset({62})),
        "CN only": Wrong(Site(issue(NAME, at.issuing).chain), says=f"subject=CN = {NAME}"),
        "wildcard too deep": Wrong(Site(leaf("*.test").chain), frozenset({62})),
        "RSA 1024": Wrong(Site(leaf(NAME, key=rsa_key(1024)).chain), says="Server public key is 1024 bit"),
        "SHA-1": Wrong(Site(leaf(NAME, sha1=True).chain), says="sigalg: ecdsa-with-SHA1"),
        "no EKU": Wrong(Site(leaf(NAME, purposes=()).chain)),
        "self-signed": Wrong(Site(issue(NAME, None, names=[NAME]).chain), frozenset({18})),
        "unknown root": Wrong(Site(pki().server(NAME).chain), frozenset({20})),
        "revoked by staple": Wrong(
            Site(fresh.chain, staple=ocsp_response(fresh, revoked=True)), says="Cert Status: revoked"
        ),
        "stale staple": Wrong(
            Site(fresh.chain, staple=ocsp_response(fresh, until=-0.1)), says="(?s)Cert Status: good.+Next Update: "
        ),
        "must-staple without a staple": Wrong(Site(leaf(NAME, must_staple=True).chain)),
        "TLS 1.0 offered": Wrong(Site(fresh.chain, protocols=("TLSv1", "TLSv1.2"))),
        "only TLS 1.0": Wrong(Site(fresh.chain, protocols=("TLSv1",))),
        "key file world-readable": Wrong(Site(fresh.chain, key_mode="644")),
        "client certificate expected": Wrong(
            Site(fresh.chain, clients=at.clients), says="(?s)client certificate CA names\nCN = Lab Clients"
        ),
    }


WRONG = wrong(AUTHORITIES)
PORTS = {name: 9000 + number for number, name in enumerate(WRONG)}


@pytest.fixture(scope="module")
def broken(fleet: Lab) -> Iterator[LabHost]:
    """All of them on one host, each on a port of its own."""
    sites = (replace(one.site, port=PORTS[name]) for name, one in WRONG.items())
    with web(fleet[0], *sites):
        yield fleet[0]


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_served_over_both_families(fleet: Lab, broken: LabHost, roots: str, name: str) -> None:
    site, errors, says = WRONG[name]
    for address, one in both(fleet, broken, PORTS[name], "-CAfile", roots, "-verify_hostname", NAME).items():
        assert list(one.chain) == certificates(*site.chain), address
        assert {int(number) for number in re.findall(r"verify error:num=(\d+)", one.said)} == errors, one.said
        assert re.search(says, one.said), one.said


def test_a_right_certificate_has_no_findings() -> None:
    leaf, *above = (one.certificate.public_bytes(Encoding.DER) for one in RIGHT.chain)
    root = AUTHORITIES.root.pem.encode()
    for name in (NAME, "10.77.0.12", "fd77::c"):
        assert examine_chain(leaf, above, [root], name, datetime.now(UTC)) == []


@pytest.mark.parametrize(("name", "offered"), [("TLS 1.0 offered", {"TLSv1", "TLSv1.2"}), ("only TLS 1.0", {"TLSv1"})])
def test_protocols(fleet: Lab, broken: LabHost, name: str, offered: set[str]) -> None:
    for version, option in {"TLSv1": "-tls1", "TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}.items():
        agreed = {one.protocol for one in both(fleet, broken, PORTS[name], option).values()}
        assert agreed == {version if version in offered else ""}


def test_a_stale_staple_is_one(fleet: Lab, broken: LabHost) -> None:
    for one in both(fleet, broken, PORTS["stale staple"]).values():
        until = re.search("Next Update: (.+) GMT", one.said)
        assert until and datetime.strptime(until[1] + " +0000", "%b %d %H:%M:%S %Y %z") < datetime.now(UTC)


def test_a_certificate_that_must_have_a_staple_has_none(fleet: Lab, broken: LabHost) -> None:
    for one in both(fleet, broken, PORTS["must-staple without a staple"]).values():
        features = one.chain[0].extensions.get_extension_for_class(x509.TLSFeature).value
        assert x509.TLSFeatureType.status_request in features and not one.staple


@pytest.mark.parametrize(
    ("name", "lacks"), [("CN only", x509.SubjectAlternativeName), ("no EKU", x509.ExtendedKeyUsage)]
)
def test_what_a_certificate_lacks(
    fleet: Lab, broken: LabHost, name: str, lacks: type[x509.SubjectAlternativeName | x509.ExtendedKeyUsage]
) -> None:
    for chain in served(fleet, broken, PORTS[name]):
        kinds = {type(one.value) for one in chain[0].extensions}
        assert lacks not in kinds and x509.KeyUsage in kinds


def test_a_key_file_that_everybody_may_read(broken: LabHost) -> None:
    modes = broken.shell("cd /etc/ssl/lab; stat -c '%n %a %U' *.key").splitlines()
    wrong = list(WRONG).index("key file world-readable")
    assert {line for line in modes if not line.endswith(" 600 root")} == {f"site{wrong}.key 644 root"}


def test_clients_with_certificates(fleet: Lab, broken: LabHost, roots: str, tmp_path: Path) -> None:
    person = AUTHORITIES.client("deploy")
    (tmp_path / "client.pem").write_text(person.pem + person.key_pem)
    number = PORTS["client certificate expected"]
    for address in (broken.address, broken.address6):
        at = ["--connect-to", f"::{endpoint(address, number)}", f"https://{NAME}/"]
        for more, code in (([], "400"), (["--cert", str(tmp_path / "client.pem")], "200")):
            asked = ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert", roots]
            assert fleet.here.run([*asked, *more, *at]).stdout == code
