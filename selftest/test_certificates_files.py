"""What is concluded of certificates on disk: dates, keys, clients' purposes, and whether what is served is on disk."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose

from selftest import judged
from selftest.certificates import (
    AT,
    BY_RSA,
    CHAIN,
    DAY,
    DUAL,
    ISSUING,
    LEAF,
    NAME,
    NO_RSA,
    NOT_ASKED,
    ONLY_NEW,
    ROOT,
    RSA_KEY,
    SECOND,
    V4,
    V6,
    Ends,
    Place,
    World,
    at_one,
    everywhere,
    leaf,
    living,
    served,
    text,
)
from selftest.certificates import Case as Served
from selftest.certificates import shown as served_of
from selftest.chains import pki
from selftest.chains.pki import Issued
from selftest.judged import lines
from shipworthy.checks import Item
from shipworthy.errors import NotMeasured
from shipworthy.outcome import Judged, decide
from shipworthy.probes.certificates import Certificates, File, Key

PATH, KEY = "/etc/ssl/www.pem", "/etc/ssl/www.key"


def file(*chain: Issued | bytes | str, path: str = PATH, error: str = "", key: Key | None = None,
         holds_key: bool = False) -> File:  # fmt: skip
    kept = [each if isinstance(each, str) else text(each) for each in chain]
    return File(path, error, kept, holds_key, AT.timestamp(), key)


@dataclass(frozen=True)
class Case:
    outcome: str
    message: str
    files: list[File] = field(default_factory=lambda: [file(*CHAIN)])
    said: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    after: timedelta = timedelta(0)
    name: str = PATH
    world: World | None = None
    """Where it is served."""
    site: Mapping[str, Any] = field(default_factory=dict)
    """Of the certificate that is served."""
    reading: Certificates | None = None


def concluded(check: str, case: Case, ends: Ends | None = None) -> Judged:
    policy = judged.policy(
        certificates={"files": {case.name: case.said}, "www": {"connect": f"{NAME}:443"}, **case.policy}
    )
    reading = case.reading or Certificates({case.name: case.files}, [], [], 0, {})
    item, now = Item(case.name, policy.certificates.files[case.name]), AT + case.after
    given: dict[str, Any] = {"item": item, "policy": policy, "certificates": reading, "now": now}
    try:
        given["served"] = served_of(Served("", "", case.world or World(), case.site, after=case.after))
    except NotMeasured as error:
        return decide(error, [], today=now.date())
    return judged.judge("certificates", check, horizon=ends or Ends(), **given)


UNSEEN = [file(error="not permitted")]
MISSING = [file(error="no such file")]
ALONE = file(path="/etc/ssl/key.pem", error="no certificate in it", holds_key=True, key=Key("", "", 0o600, "root", ""))
SHORT = pki.intermediate(ROOT, subject="CN=short", end=AT + 50 * DAY)
OLD_ROOT = pki.root(subject="CN=old root", end=AT + 50 * DAY)
FILES = {
    "in date": Case("passed", ""),
    "with its root": Case("passed", "", [file(*CHAIN, ROOT)]),
    "expired": Case("failed", f"{PATH}: CN={NAME} expired on 2027-01-01 00:00:00 UTC", after=60 * DAY),
    "not yet": Case(
        "failed", f"{PATH}: CN={NAME} is valid from 2026-11-25 12:00:01 UTC", [file(leaf(begin=AT + SECOND))]
    ),
    "an intermediate has expired": Case(
        "failed",
        f"{PATH}: CN=old expired on 2026-11-24 12:00:00 UTC",
        [file(*CHAIN, pki.intermediate(ROOT, subject="CN=old", end=AT - DAY))],
    ),
    "a third": Case("passed", "", [file(living(90, 27 * DAY))]),
    "less than a third and the slack": Case(
        "warned",
        f"{PATH}: CN={NAME}: 26.9 d of 90 d left, which is 29.9 %, warning below 30 % (limit at least 16.7 %)",
        [file(living(90, 26.9 * DAY))],
    ),
    "less than a sixth": Case(
        "failed",
        f"{PATH}: CN={NAME}: 10 d of 90 d left, which is 11.1 %, limit at least 16.7 %",
        [file(living(90, 10 * DAY))],
    ),
    "renewed by hand": Case(
        "warned",
        f"{PATH}: CN={NAME}: ends in 29 d, warning below 30 d (limit at least 14 d)",
        [file(living(90, 29 * DAY))],
        {"renewed_by": "manual"},
    ),
    "an intermediate": Case(
        "failed", f"{PATH}: CN=short: ends in 50 d, limit at least 60 d", [file(LEAF, SHORT)]
    ),
    "an intermediate, by a limit of one's own": Case(
        "passed", "", [file(LEAF, SHORT)], policy={"authority_left": {"warn_below": "9 d", "fail_below": "5 d"}}
    ),
    "a root is somebody else's": Case("passed", "", [file(LEAF, OLD_ROOT)]),
    "a root is an authority's own": Case(
        "failed",
        f"{PATH}: CN=old root: ends in 50 d, limit at least 60 d",
        [file(OLD_ROOT)],
        {"purpose": "authority"},
    ),
    "a glob": Case("passed", "", [file(*CHAIN), file(*CHAIN, path="/etc/ssl/b.pem")], name="/etc/ssl/*.pem"),
    "one of a glob": Case(
        "failed",
        f"/etc/ssl/b.pem: CN={NAME} expired on 2026-11-25 11:59:59 UTC",
        [file(*CHAIN), file(living(90, -SECOND), path="/etc/ssl/b.pem")],
        name="/etc/ssl/*.pem",
    ),
    "a glob that finds nothing": Case("failed", "/etc/ssl/*.pem: no file matches", [], name="/etc/ssl/*.pem"),
    "a glob that finds keys too": Case("passed", "", [file(*CHAIN), ALONE], name="/etc/ssl/*.pem"),
    "a glob that finds keys alone": Case(
        "failed",
        "/etc/ssl/*.pem: nothing that matches holds a certificate: /etc/ssl/key.pem, /etc/ssl/b.pem",
        [ALONE, ALONE._replace(path="/etc/ssl/b.pem")],
        name="/etc/ssl/*.pem",
    ),
    "a key, where a certificate should be": Case(
        "failed", "/etc/ssl/key.pem: no certificate in it", [ALONE], name="/etc/ssl/key.pem"
    ),
    "no such file": Case("failed", f"{PATH}: no such file", MISSING),
    "no certificate in it": Case("failed", f"{PATH}: no certificate in it", [file(error="no certificate in it")]),
    "not permitted": Case("error", f"{PATH}: not permitted", UNSEEN),
    "not permitted, and another has expired": Case(
        "failed",
        f"/etc/ssl/b.pem: CN={NAME} expired on 2026-11-25 11:59:59 UTC",
        [*UNSEEN, file(living(90, -SECOND), path="/etc/ssl/b.pem")],
        name="/etc/ssl/*.pem",
    ),
    "too large": Case("error", f"{PATH}: more than 1 MiB", [file(error="more than 1 MiB")]),
    "stored garbled": Case(
        "error", "a certificate as it is stored is no base64", [file("~~~")]
    ),
    "not asked for": Case(
        "error", f"{PATH} was not asked for in this run", reading=Certificates({}, [], [], 0, {})
    ),
    "not looked for": Case(
        "error", "no time was left", reading=Certificates({}, [], [], 0, {"files": "no time was left"})
    ),
}  # fmt: skip


def key(mode: int = 0o640, owner: str = "root", error: str = "", path: str = KEY) -> Key:
    return Key(path, error, mode, owner, "ssl-cert")


def with_key(one: Key | None, *, holds_key: bool = False) -> list[File]:
    return [file(*CHAIN, key=one, holds_key=holds_key)]


OURS = {"key": KEY}
KEYS = {
    "0640": Case("passed", "", with_key(key()), OURS),
    "0600": Case("passed", "", with_key(key(0o600)), OURS),
    "0400": Case("passed", "", with_key(key(0o400)), OURS),
    "0644": Case("failed", f"{KEY} has mode 0644, and may have 0640 at most", with_key(key(0o644)), OURS),
    "0660": Case("failed", f"{KEY} has mode 0660, and may have 0640 at most", with_key(key(0o660)), OURS),
    "0700, which is not less": Case(
        "failed", f"{KEY} has mode 0700, and may have 0640 at most", with_key(key(0o700)), OURS
    ),
    "0004": Case("failed", f"{KEY} has mode 0004, and may have 0640 at most", with_key(key(0o004)), OURS),
    "setuid": Case("failed", f"{KEY} has mode 4640, and may have 0640 at most", with_key(key(0o4640)), OURS),
    "0640, and 0600 is declared": Case(
        "failed", f"{KEY} has mode 0640, and may have 0600 at most", with_key(key()), {**OURS, "key_mode": "0600"}
    ),
    "0644, as declared": Case("passed", "", with_key(key(0o644)), {**OURS, "key_mode": "0644"}),
    "another owner": Case("failed", f"{KEY} is owned by www-data, not root", with_key(key(owner="www-data")), OURS),
    "another owner, as declared": Case(
        "passed", "", with_key(key(owner="www-data")), {**OURS, "key_owner": "www-data"}
    ),
    "both": Case(
        "failed",
        f"{KEY} has mode 0666, and may have 0640 at most; {KEY} is owned by 1000, not root",
        with_key(key(0o666, "1000")),
        OURS,
    ),
    "missing": Case("failed", f"{KEY}: no such file", with_key(key(error="no such file")), OURS),
    "not permitted": Case("error", f"{KEY}: not permitted", with_key(key(error="not permitted")), OURS),
    "not looked at": Case("error", f"{KEY}: it was not looked at", with_key(None), OURS),
    "the certificate is not permitted, and the key is": Case(
        "passed", "", [file(error="not permitted", key=key())], OURS
    ),
    "in the same file": Case("passed", "", with_key(key(path=PATH), holds_key=True)),
    "in the same file, and readable": Case(
        "failed",
        f"{PATH} has mode 0644, and may have 0640 at most",
        with_key(key(0o644, path=PATH), holds_key=True),
    ),
    "none is spoken of": Case("skipped", "no key is named, and none is in the file", with_key(None)),
    "a glob, of which one has a key": Case(
        "failed",
        "/etc/ssl/b.pem has mode 0644, and may have 0640 at most",
        [file(*CHAIN), file(*CHAIN, path="/etc/ssl/b.pem", holds_key=True, key=key(0o644, path="/etc/ssl/b.pem"))],
        name="/etc/ssl/*.pem",
    ),
    "no such file": Case("skipped", "no key is named, and none is in the file", MISSING),
}
TO_LOG_IN = {"purpose": "client"}


def client(*changes: pki.Change) -> list[File]:
    return [file(leaf(pki.purposes(Purpose.CLIENT_AUTH), *changes, names=("deploy",)))]


CLIENT = {
    "for clients": Case("passed", "", client()),
    "for both": Case("passed", "", client(pki.purposes(Purpose.CLIENT_AUTH, Purpose.SERVER_AUTH))),
    "for anything": Case("passed", "", client(pki.purposes(Purpose.ANY_EXTENDED_KEY_USAGE))),
    "it does not say": Case("passed", "", client(pki.without(x509.ExtendedKeyUsage))),
    "for servers": Case(
        "failed",
        f"{PATH}: CN=deploy is not for clients: clientAuth is not among its purposes",
        client(pki.purposes(Purpose.SERVER_AUTH)),
    ),
    "for no signature": Case(
        "failed",
        f"{PATH}: CN=deploy may not sign in a handshake: its keyUsage lacks digitalSignature",
        client(pki.usage("key_encipherment")),
    ),
    "no usage": Case("passed", "", client(pki.without(x509.KeyUsage))),
    "an authority": Case("failed", f"{PATH}: CN=issuing is an authority's", [file(ISSUING)]),
    "with its chain": Case("passed", "", [file(*(leaf(pki.purposes(Purpose.CLIENT_AUTH)), ISSUING))]),
    "not there": Case("error", f"{PATH}: no such file; see certificates.files", MISSING),
    "not permitted": Case("error", f"{PATH}: not permitted; see certificates.files", UNSEEN),
}
CLIENT = {name: Case(each.outcome, each.message, each.files, TO_LOG_IN) for name, each in CLIENT.items()}


def as_openssl_has_it(certificate: Issued) -> str:
    told = ["openssl", "x509", "-inform", "DER", "-noout", "-serial"]
    said = subprocess.run(told, input=certificate.der, capture_output=True, check=True, timeout=30).stdout
    return said.decode().strip().removeprefix("serial=")


RENEWED = leaf(serial=0xB2, end=AT + 80 * DAY)
OLD_SERVED = f"www: serial A1 until 2027-01-01 is served, and {PATH} has serial B2 until 2027-02-13"
RENEWED_RSA = leaf(serial=0xE5, end=AT + 10 * DAY, key=RSA_KEY)
RELOADED = {
    "the same": Case("passed", ""),
    "without its chain": Case("passed", "", [file(LEAF)]),
    "renewed, and not reloaded": Case("failed", f"{OLD_SERVED}, at 10.0.0.1 and 1 more", [file(RENEWED, ISSUING)]),
    "reloaded at one": Case(
        "failed", f"{OLD_SERVED}, only at 10.0.0.1", [file(RENEWED)], world=at_one(Place((RENEWED, ISSUING)))
    ),
    "another chain is the same": Case("passed", "", world=served(LEAF)),
    "the ECDSA one of two": Case("passed", "", world=everywhere(DUAL)),
    "the RSA one of two": Case("passed", "", [file(BY_RSA, ISSUING)], world=everywhere(DUAL)),
    "the RSA one of two, without a name": Case(
        "passed", "", [file(BY_RSA)], world=everywhere(DUAL), site={"without_name": True}
    ),
    "both of two": Case(
        "passed", "", [file(LEAF), file(BY_RSA, path="/etc/ssl/b.pem")], name="/etc/ssl/*.pem", world=everywhere(DUAL)
    ),
    "the RSA one is renewed, and not reloaded": Case(
        "failed",
        f"www: serial D4 until 2027-01-01 is served, and {PATH} has serial E5 until 2026-12-05, "
        "only at 10.0.0.1 by RSA, fd00::1 by RSA",
        [file(RENEWED_RSA)],
        world=everywhere(DUAL),
    ),
    "the RSA one is not served": Case(
        "failed",
        f"www: no RSA certificate is served, and {PATH} has serial D4 until 2027-01-01, at 10.0.0.1 and 1 more",
        [file(BY_RSA)],
        world=everywhere(NO_RSA),
    ),
    "the RSA one is served at one": Case(
        "failed",
        f"www: no RSA certificate is served, and {PATH} has serial D4 until 2027-01-01, only at fd00::1",
        [file(BY_RSA)],
        world=World({NAME: {V4: DUAL, V6: NO_RSA}}),
    ),
    "of another kind, in a run in which none was asked for": Case(
        "failed",
        f"www: no RSA certificate is served, and {PATH} has serial D4 until 2027-01-01, at 10.0.0.1 and 1 more",
        [file(BY_RSA)],
    ),
    "another kind is served without a name": Case(
        "failed",
        f"www: no ECDSA certificate is served, and {PATH} has serial A1 until 2027-01-01, "
        "only at 10.0.0.1 without a name, fd00::1 without a name",
        world=everywhere(Place(others={"": (BY_RSA, ISSUING)})),
        site={"without_name": True},
    ),
    "whether the RSA one is served is not to be seen": Case(
        "error",
        "www: whether an RSA certificate is served is not known: it speaks TLS 1.3 alone, at 10.0.0.1 and 1 more",
        [file(BY_RSA)],
        world=everywhere(ONLY_NEW),
    ),
    "whether the RSA one is served was not seen": Case(
        "error",
        "www: whether an RSA certificate is served is not known: not met: the time was up, only at fd00::1",
        [file(BY_RSA)],
        world=World({NAME: {V4: DUAL, V6: NOT_ASKED}}),
    ),
    "the leaf is not the first": Case(
        "failed",
        f"www: serial A1 until 2027-01-01 is served, and {PATH} has serial "
        f"{as_openssl_has_it(ISSUING)} until 2045-01-01, at 10.0.0.1 and 1 more",
        [file(ISSUING, LEAF)],
    ),
    "not there": Case("error", f"{PATH}: no such file; see certificates.files", MISSING),
    "not permitted": Case("error", f"{PATH}: not permitted; see certificates.files", UNSEEN),
    "nothing is served": Case(
        "error",
        "no certificate was shown: refused; see certificates.handshake",
        world=World({NAME: dict.fromkeys((V4, V6), Place(error="refused", rung="tcp"))}),
    ),
    "what is served cannot be read": Case(
        "error",
        "www: its certificate cannot be read, only at fd00::1; see certificates.trust",
        world=at_one(Place((b"0\x82\x01\x00garbage",))),
    ),
}
TABLES = {
    "test_certificate_files_are_in_date": FILES,
    "test_key_files_are_private": KEYS,
    "test_client_certificate_may_be_one": CLIENT,
    "test_served_certificate_is_the_one_on_disk": RELOADED,
}


@pytest.mark.parametrize(("check", "case"), lines(TABLES))
def test_what_is_concluded(check: str, case: Case) -> None:
    said = concluded(check, case)
    assert (said.outcome, said.message) == (case.outcome, case.message), said


@pytest.mark.parametrize("number", [0x1, 0x80, 0xABC, 0x37A42, 2**159 - 1])
def test_serials_are_written_as_openssl_does(number: int) -> None:
    other = leaf(serial=number)
    said = concluded("test_served_certificate_is_the_one_on_disk", Case("", "", [file(other)]))
    assert f" {PATH} has serial {as_openssl_has_it(other)} until " in said.message


@pytest.mark.parametrize("check", ["test_certificate_files_are_in_date", "test_client_certificate_may_be_one"])
def test_garbage_is_told(check: str) -> None:
    said = concluded(check, Case("", "", [file(LEAF, b"0\x82\x01\x00garbage")], TO_LOG_IN))
    assert said.outcome == ("failed" if "files" in check else "error")
    assert said.message.startswith(f"{PATH}: certificate 2: error parsing")


@pytest.mark.parametrize(
    ("files", "when"),
    [
        ([file(living(90, 60 * DAY))], {AT + 60 * DAY, AT + 60 * DAY - 90 * DAY * 0.167}),
        ([file(living(90, 60 * DAY), SHORT)], None),
        ([file(living(90, 60 * DAY), OLD_ROOT)], {AT + 50 * DAY, AT + 60 * DAY - 90 * DAY * 0.167}),
    ],
    ids=["a leaf", "it fails", "a root that ends before it"],
)
def test_it_is_told_when_they_will_fail(files: list[File], when: set[datetime] | None) -> None:
    ends = Ends()
    concluded("test_certificate_files_are_in_date", Case("", "", files), ends)
    assert {each for each, _ in ends.told} == (when or set())
    assert {what for _, what in ends.told} <= {
        f"{PATH}, expires",
        f"{PATH}, too little is left until it expires",
    }
