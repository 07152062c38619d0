"""Claims stay apart: each finding is one claim's; and whatever is shown, a claim ends in plain words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from selftest import judged
from selftest.certificates import (
    AT,
    DAY,
    ISSUING,
    LEAF,
    ROOT,
    Case,
    Place,
    World,
    at_one,
    concluded,
    everywhere,
    leaf,
    served,
    shown,
    text,
)
from selftest.chains import pki
from selftest.chains.pki import Issued
from selftest.test_certificates_caa import answers
from shipworthy.checks import catalogue
from shipworthy.judging.certificates import CLAIM_OF, claim_of
from shipworthy.plugin.sightings import Everywhere, Sighted
from shipworthy.vantage.chain import findings, openssl, webpki
from shipworthy.vantage.meeting import Asked, Store

ROOM = Path(findings.__file__).parent
CHECKS = {each.test: id for id, each in catalogue([judged.TESTS]).items() if id.startswith("certificates.")}
OF_ENDPOINTS = sorted(
    each.test
    for id, each in catalogue([judged.TESTS]).items()
    if id.startswith("certificates.") and each.each == "endpoints"
)


def codes_told() -> set[str]:
    """Those that the docstring of `findings` lists, after the claim that it is of one list."""
    lines = re.findall(r"^- .*?(?=^- |\Z)", findings.__doc__ or "", re.DOTALL | re.MULTILINE)
    return {code for line in lines for code in re.findall(r"`([a-z][a-z-]+[a-z])`", line.partition(":")[2])}


def codes_used() -> set[str]:
    """Those that the rooms of `chain` make findings of."""
    sources = "".join(path.read_text() for path in ROOM.glob("*.py"))
    made = set(re.findall(r'(?:ours|Finding)\(\s*"([a-z-]+)"', sources))
    chosen = set(re.findall(r'"([a-z]+-[a-z-]+)" if fatal|else "(profile)"', sources))
    return made | set(openssl.CODES.values()) | {code for _, code in webpki.CODES} | {"rejected"} | {
        code for pair in chosen for code in pair if code
    }  # fmt: skip


def test_every_finding_is_one_claims() -> None:
    told = codes_told() | codes_used() | findings.PUBLIC_ONLY
    assert len(told) > 40, "the lists are read"
    assert told - CLAIM_OF.keys() == set()
    assert {f"certificates.{claim}" for claim in CLAIM_OF.values()} <= set(CHECKS.values())


def test_a_finding_that_nobody_knows_is_a_matter_of_trust() -> None:
    assert claim_of("invented-tomorrow") == "trust"


def test_there_are_as_many_checks_as_are_promised() -> None:
    assert len(CHECKS) == 19


@pytest.mark.parametrize(
    ("world", "failing"),
    [
        (World(), set()),
        (served(leaf(end=pki.BEGIN + (pki.AT - pki.BEGIN) / 2), ISSUING), {"in_date"}),
        (served(LEAF), {"chain", "trust"}),
        (World(roots=()), {"trust"}),
        (served(leaf(names=("other.example.com",)), ISSUING), {"name"}),
        (served(leaf(pki.without(x509.SubjectAlternativeName)), ISSUING), {"name"}),
        (served(leaf(pki.without(x509.ExtendedKeyUsage)), ISSUING), {"purpose"}),
        (served(leaf(pki.usage("content_commitment")), ISSUING), {"purpose"}),
        (served(leaf(end=pki.BEGIN + 300 * DAY), ISSUING), {"lifetime"}),
        (served(leaf(end=AT + 4 * DAY), ISSUING), {"left"}),
        (at_one(Place(error="speaks no TLS: plain text", rung="tls")), {"handshake"}),
        (everywhere(Place(tried=(("TLSv1", True), ("TLSv1.2", True)))), {"protocols"}),
        (at_one(Place((leaf(serial=0xD4), ISSUING))), {"same"}),
    ],
    ids=[
        "well", "expired", "no intermediate", "no root", "another name", "the CN alone", "no purpose", "a usage",
        "a long life", "little left", "plain text", "TLS 1.0", "another at one",
    ],
)  # fmt: skip
def test_one_fault_is_one_claims(world: World, failing: set[str]) -> None:
    said = {CHECKS[check].partition(".")[2]: all_of(check, world).outcome for check in OF_ENDPOINTS}
    assert {claim for claim, outcome in said.items() if outcome == "failed"} == failing
    assert {claim for claim, outcome in said.items() if outcome == "error"} == set()


def all_of(check: str, world: World, **said: Any) -> Any:
    """What a check concludes, whatever it wants to be given."""
    said = {"issuer": "issuing", "client_certificate": False, **said}
    if check == "test_client_certificate_is_asked_for":
        world = World({host: {at: Place(**{**vars(place), "asks": True}) for at, place in places.items()}
                       for host, places in world.places.items()}, world.absent, world.roots)  # fmt: skip
    case = Case("", "", world, said)
    everywhere = Everywhere([Sighted("here", shown(case))], {})
    case = Case("", "", world, said, given={"everywhere": everywhere, "caa_answers": answers({})})
    return concluded(check, case)


EVIL = "\x1b]0;owned\x07\x00::error::\n\u202e" + "x" * 300


def evil(by: Issued = ISSUING) -> Issued:
    """A leaf whose names are nobody's."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, EVIL[:60]),
                      x509.NameAttribute(NameOID.ORGANIZATION_NAME, EVIL[:60])])  # fmt: skip
    key = pki.new_key()
    names = [x509.DNSName("a\x1b[31m\x00.example.com"), x509.DNSName("x" * 300), x509.DNSName("xn--\x7f")]
    changes = [pki.san(*names), pki.purposes(x509.OID_CODE_SIGNING), pki.key_identifier(key)]
    return pki.issue(name, key, by, changes, begin=pki.LONG_AGO, end=pki.BEGIN)


EVIL_LEAF = evil()
EVIL_ISSUER = pki.issue(
    x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, EVIL[:60])]), (EVIL_KEY := pki.new_key()), ROOT,
    [pki.basic(ca=True), pki.usage("key_cert_sign"), pki.key_identifier(EVIL_KEY)],
)  # fmt: skip
ONE_KEY, OTHER_KEY = pki.new_key(), pki.new_key()
ONE = pki.intermediate(pki.root(subject="CN=other", key=OTHER_KEY), subject="CN=one", key=ONE_KEY)
OTHER = pki.intermediate(pki.root(subject="CN=one", key=ONE_KEY), subject="CN=other", key=OTHER_KEY)
HOSTILE = {
    "two that issue each other": served(leaf(by=ONE), ONE, OTHER),
    "names": served(EVIL_LEAF, ISSUING),
    "names of the issuer": served(leaf(by=EVIL_ISSUER), EVIL_ISSUER),
    "names of strangers": served(EVIL_LEAF, EVIL_ISSUER, EVIL_LEAF, EVIL_ISSUER),
    "two hundred": served(LEAF, *[ISSUING, EVIL_LEAF, EVIL_ISSUER, ROOT] * 50),
    "garbage": served(b"\x30\x82\x00\x00", b"", b"\xff" * 1000),
    "nothing": served(b""),
    "garbage behind": served(LEAF, b"\x30\x82\x00\x00", b"", ISSUING),
    "no base64": served("~~~"),
    "no base64 behind": served(LEAF, "~~~"),
    "no roots": World(store=Store(EVIL, -1, [text(b"")], "")),
    "errors": everywhere(Place(error=EVIL)),
    "answers": World(asked=(Asked("00", EVIL, EVIL, EVIL), Asked("zz", "ocsp", "", "", "~~~"))),
    "a staple": everywhere(Place(staple=b"\x30\x80")),
}


@pytest.mark.parametrize("world", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("check", OF_ENDPOINTS)
def test_whatever_is_shown_a_claim_ends_in_plain_words(check: str, world: World) -> None:
    said = all_of(check, world)
    assert ".py:" not in said.message, "a traceback's place: the claim broke"
    for line in (said.message, *said.evidence):
        if (
            world is not HOSTILE["errors"] and world is not HOSTILE["no roots"]
        ):  # text of our own vantage, not of theirs
            assert line.isprintable(), line
        assert len(line) < 1500


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=80), min_size=1, max_size=3))
def test_no_bytes_break_a_claim(chain: list[bytes]) -> None:
    world = served(*chain)
    for check in ("test_certificate_is_in_date", "test_chain_is_trusted", "test_not_revoked"):
        said = all_of(check, world)
        assert said.outcome in {"error", "failed"}
        assert ".py:" not in said.message
