"""What a policy says of certificates, what it asks hosts and this machine for them, and what it refuses."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from selftest import judged
from selftest.policy import fleet
from shipworthy.errors import PolicyError
from shipworthy.policy._certificates_items import Certificate
from shipworthy.policy._certificates_values import Place, host_and_port
from shipworthy.policy.certificates import OF_FILES, Policy
from shipworthy.probes.certificates import Request
from shipworthy.probes.parts.certificate_files import TOTAL_BYTES
from shipworthy.probes.parts.globs import MOST
from shipworthy.vantage.meeting import VERSIONS, Endpoint, Wanted

WWW = "www.example.org"
BOTH = ("ipv4", "ipv6")
OF_CHAINS = (
    "in_date",
    "left",
    "chain",
    "trust",
    "name",
    "strength",
    "purpose",
    "lifetime",
    "revocation",
    "issuer",
    "caa",
)
OF_ENDPOINTS = (*OF_CHAINS, "handshake", "protocols", "same", "client_asked")
EVERY = frozenset(f"certificates.{claim}" for claim in (*OF_ENDPOINTS, *OF_FILES))


def policy(files: Mapping[str, Any] | None = None, **said: Any) -> Policy:
    """Of endpoints by name, and files by path."""
    found: Policy = judged.policy(certificates={**said, **({"files": files} if files else {})}).certificates
    return found


def endpoint(**said: Any) -> Certificate:
    """One, at www.example.org:443 unless told otherwise."""
    return policy(www={"connect": f"{WWW}:443", **said}).endpoints["www"]


def refused(files: Mapping[str, Any] | None = None, **said: Any) -> list[str]:
    with pytest.raises(PolicyError) as error:
        policy(files, **said)
    return [
        f"{problem.place.removeprefix('test: certificates.')}: {problem.reason}" for problem in error.value.problems
    ]


def wanted(said: Policy, vantage: str = "here", *claims: str, estate: tuple[str, ...] = BOTH) -> Wanted | None:
    """For `claims`, or for all that there are."""
    return said.wanted(vantage, frozenset(f"certificates.{claim}" for claim in claims) or EVERY, estate)


PLACES = {
    "www.example.org:443": "www.example.org:443",
    "WWW.Example.ORG.:0443": "www.example.org:443",
    "web1:65535": "web1:65535",
    "bücher.example:443": "xn--bcher-kva.example:443",
    "192.0.2.1:1": "192.0.2.1:1",
    "127.0.0.1:443": "127.0.0.1:443",
    "0xg.0x7f.example:443": "0xg.0x7f.example:443",
    "1.0xg:443": "1.0xg:443",
    "[2001:DB8:0::1]:443": "[2001:db8::1]:443",
    "[::1]:443": "[::1]:443",
}
NO_PLACE = "is no HOST:PORT, such as www.example.org:443 or [2001:db8::1]:443"
NOBODY = "is the address of no single machine"
METADATA = "is an address of a cloud's metadata, which is never asked"
NO_PLACES = {
    "": NO_PLACE,
    "www.example.org": NO_PLACE,
    "2001:db8::1": NO_PLACE,
    "2001:db8::1:443": NO_PLACE,
    "https://www.example.org:443": NO_PLACE,
    "www.example.org:https": NO_PLACE,
    "www.example.org:٤٤٣": NO_PLACE,
    "www.example.org:443\n": NO_PLACE,
    "www.example.org:0": "has no port from 1 to 65535",
    "www.example.org:65536": "has no port from 1 to 65535",
    ":443": "is no DNS name: it is empty",
    ".:443": "is no name of a server",
    "*.example.org:443": "is no name of a server",
    "192.0.2:443": "is no DNS name: it ends in a number, as an address does",
    "0xa9fea9fe:80": "is no DNS name: it ends in a number, as an address does",
    "0X7F000001:443": "is no DNS name: it ends in a number, as an address does",
    "127.0x1:443": "is no DNS name: it ends in a number, as an address does",
    "2130706433:443": "is no DNS name: it ends in a number, as an address does",
    "0x:443": "is no DNS name: it ends in a number, as an address does",
    "w w:443": "is no DNS name: a label holds what no host name has",
    "bü cher:443": "is no DNS name",
    "[192.0.2.1]:443": "has no plain IPv6 address in its brackets",
    "[www]:443": "has no plain IPv6 address in its brackets",
    "[fe80::1%eth0]:443": "has no plain IPv6 address in its brackets",
    "[fe80::1]:443": "is a link-local address, which is another machine's on every link",
    "169.254.1.1:443": "is a link-local address, which is another machine's on every link",
    "169.254.169.254:80": METADATA,
    "[fd00:ec2::254]:80": METADATA,
    "[::ffff:169.254.169.254]:80": METADATA,
    "168.63.129.16:80": METADATA,
    "[::ffff:192.0.2.1]:443": "is an IPv4 address in IPv6's clothes: write it as the former",
    "0.0.0.0:443": NOBODY,
    "[::]:443": NOBODY,
    "224.0.0.1:443": NOBODY,
    "[ff02::1]:443": NOBODY,
    "255.255.255.255:443": NOBODY,
}


@pytest.mark.parametrize(("text", "form"), PLACES.items(), ids=list(PLACES))
def test_a_place_has_one_form(text: str, form: str) -> None:
    assert endpoint(connect=text).connect == form
    assert endpoint(backends=[text]).backends == [form]


@pytest.mark.parametrize(("text", "reason"), NO_PLACES.items(), ids=[repr(text) for text in NO_PLACES])
def test_what_is_no_place_is_refused(text: str, reason: str) -> None:
    assert refused(www={"connect": text}) == [f"www.connect: {text!r} {reason}"]
    assert refused(www={"connect": "a:1", "backends": ["b:1", text]}) == [f"www.backends[2]: {text!r} {reason}"]


@given(st.one_of(st.text(), st.from_regex(r"\[?[0-9a-f:.*%]{0,40}\]?:[0-9]{0,6}", fullmatch=True)))
def test_whatever_is_a_place_is_one_in_its_one_form_too(text: str) -> None:
    form = TypeAdapter(Place)
    try:
        place = form.validate_python(text)
    except ValidationError:
        return
    assert form.validate_python(place) == place
    host, port = host_and_port(place)
    assert host and host.isascii() and 1 <= port <= 65535


NO_FILES = "leads below /proc, /sys or /dev, where nothing is read"
AT = {"connect": f"{WWW}:443"}
REFUSED: dict[str, tuple[Mapping[str, Any], str]] = {
    "no-connect": ({"name": WWW}, "connect: is missing"),
    "name": ({**AT, "name": "*.example.org"}, "name: '*.example.org' is no name of a server"),
    "names": (
        {**AT, "names": ["a.example", "b .example"]},
        "names[2]: 'b .example' is no DNS name: a label holds what",
    ),
    "twice": ({**AT, "names": ["a.example", "A.example."]}, "names: a list has a.example twice"),
    "backends-twice": ({**AT, "backends": ["[::1]:1", "[0::1]:1"]}, "backends: a list has [::1]:1 twice"),
    "too-many": ({**AT, "names": [f"n{i}.example" for i in range(101)]}, "names: a list holds more than 100"),
    "versions-twice": ({**AT, "protocols": ["TLSv1.2", "TLSv1.2"]}, "protocols: a list has TLSv1.2 twice"),
    "version": ({**AT, "protocols": ["SSLv3"]}, "protocols[1]: 'SSLv3' is not 'TLSv1', 'TLSv1.1', 'TLSv1.2' or"),
    "starttls": ({**AT, "starttls": "irc"}, "starttls: 'irc' is not 'smtp', 'imap', 'pop3', 'ftp', 'ldap', 'postgr"),
    "families": ({**AT, "families": []}, "families: is empty"),
    "families-twice": ({**AT, "families": ["ipv4", "ipv4"]}, "families: a list has ipv4 twice"),
    "families-of-addresses": (
        {"connect": "192.0.2.1:443", "backends": ["[::1]:1"], "families": ["ipv4"]},
        "families: a list cannot be said of addresses, which have their own",
    ),
    "roots": ({**AT, "roots": "ca.pem"}, "roots: 'ca.pem' is not here, host, or the absolute path of a file"),
    "roots-glob": ({**AT, "roots": "/etc/ssl/*.pem"}, "roots: '/etc/ssl/*.pem' is a glob, and one file is meant"),
    "roots-of-shadow": (
        {**AT, "roots": "/etc/ssl/../shadow"},
        "roots: '/etc/ssl/../shadow' leads to /etc/shadow, which is never read",
    ),
    "roots-of-a-process": ({**AT, "roots": "/proc/self/environ"}, f"roots: '/proc/self/environ' {NO_FILES}"),
    "roots-of-a-host": (
        {**AT, "roots": "host"},
        "roots: 'host' is not where the certificate is met: with `vantage: he",
    ),
    "roots-of-here": ({**AT, "roots": "here", "vantage": "host"}, "roots: 'here' is not where the certificate is met"),
    "issuer": ({**AT, "issuer": "  "}, "issuer: '  ' says nothing"),
    "issuer-long": ({**AT, "issuer": "x" * 1001}, "issuer: '" + "x" * 57),
    "issuer-control": ({**AT, "issuer": "\x1b[31m"}, "issuer: '\\x1b[31m' is no name: it is too long, or has charac"),
    "caa": ({**AT, "caa": "ca..example"}, "caa: 'ca..example' is no DNS name: A DNS label is empty"),
    "share": ({**AT, "share_left": {"warn_below": "120 %"}}, "share_left.warn_below: '120 %' "),
}


@pytest.mark.parametrize(("said", "reason"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_be_said_of_a_certificate(said: Mapping[str, Any], reason: str) -> None:
    (told,) = refused(www=said)
    assert told.startswith(f"www.{reason}"), told


REFUSED_FILES: dict[str, tuple[str, Mapping[str, Any], str]] = {
    "relative": ("ssl/a.pem", {}, "files.ssl/a.pem: 'ssl/a.pem' is no absolute path of a file"),
    "folder": ("/etc/ssl/", {}, "files./etc/ssl/: '/etc/ssl/' is no absolute path of a file"),
    "control": ("/a\x07", {}, r"files.'/a\x07': '/a\x07' is no path: it is too long, or has characters that no termi"),
    "long": ("/" + "a" * 4095, {}, "files./a"),
    "key-of-many": (
        "/a/*.pem",
        {"key": "/a.key"},
        "files./a/*.pem.key: '/a.key' cannot belong to all that a glob finds",
    ),
    "served-by-many": ("/a/*", {"served_by": "www"}, "files./a/*.served_by: 'www' cannot serve all that a glob finds"),
    "key": ("/a.pem", {"key": "a.key"}, "files./a.pem.key: 'a.key' is no absolute path of a file"),
    "keys": ("/a.pem", {"key": "/*.key"}, "files./a.pem.key: '/*.key' is a glob, and one file is meant"),
    "owner": ("/a.pem", {"key_owner": ""}, "files./a.pem.key_owner: '' says nothing"),
    "mode": (
        "/a.pem",
        {"key_mode": "0980"},
        "files./a.pem.key_mode: '0980' is no mode of a file in octal, such as 0640",
    ),
    "mode-number": (
        "/a.pem",
        {"key_mode": 640},
        "files./a.pem.key_mode: 640 is a number to YAML, and not octal: write",
    ),
    "set-id": ("/a.pem", {"key_mode": "4755"}, "files./a.pem.key_mode: '4755' is no mode of a file in octal"),
    "unknown": ("/a.pem", {"served_by": "web"}, "files./a.pem.served_by: 'web' is no certificate of this policy that"),
    "client": (
        "/a.pem",
        {"served_by": "www", "purpose": "client"},
        "files./a.pem.purpose: 'client' is not what is served: `served_by` is for a server's certificate",
    ),
}


@pytest.mark.parametrize(("path", "said", "reason"), REFUSED_FILES.values(), ids=list(REFUSED_FILES))
def test_what_cannot_be_said_of_a_file(path: str, said: Mapping[str, Any], reason: str) -> None:
    (told,) = refused({path: said}, www=AT)
    assert told.startswith(reason), told


SECRETS = {
    "/etc/shadow": "leads to /etc/shadow, which is never read",
    "/etc/shadow-": "leads to /etc/shadow-, which is never read",
    "/etc/gshadow": "leads to /etc/gshadow, which is never read",
    "//etc/./gshadow-": "leads to /etc/gshadow-, which is never read",
    "/etc/*": "leads to /etc/shadow, which is never read",
    "/[e]tc/gsh?dow": "leads to /etc/gshadow, which is never read",
    "/etc/*/../shadow": "leads to /etc/shadow, which is never read",
    "/proc/self/environ": NO_FILES,
    "/proc/*/environ": NO_FILES,
    "/p*/1/environ": NO_FILES,
    "/a/../../sys/power/state": NO_FILES,
    "//dev/sda": NO_FILES,
}


@pytest.mark.parametrize(("path", "reason"), SECRETS.items(), ids=list(SECRETS))
def test_what_is_secret_by_nature_is_never_read(path: str, reason: str) -> None:
    (told,) = refused({path: {}})
    assert told.endswith(f": {path!r} {reason}")


def test_what_is_called_nearly_so_is_read() -> None:
    paths = ["/etc/shadow.pem", "/etc/ssl/shadow", "/etc/*.pem", "/etc/*/*", "/srv/proc/a.pem", "/process/*", "/shadow"]
    assert list(policy({path: {} for path in paths}).files) == paths


def test_the_mode_of_what_is_not_read_may_be_looked_at() -> None:
    assert policy({"/a.pem": {"key": "/dev/shm/a.key"}}).files["/a.pem"].key == "/dev/shm/a.key"


def test_the_bounds_of_files_stand_in_the_policys_reference() -> None:
    said = Policy.model_fields["files"].description or ""
    assert f"the first {MOST} files" in said
    assert f"{TOTAL_BYTES // 1024} KiB" in said


NEVER_AN_ITEM = "is a field of `certificates:`, so no item can be called that"


@pytest.mark.parametrize("field", ["files", "authority_left", "staple_left", "wait"])
def test_a_certificate_that_is_called_as_a_field_is_told_so(tmp_path: Path, field: str) -> None:
    told = problems(tmp_path, f"    {field}: {{connect: 'a.example:443'}}\n    www: {{connect: 'a.example:443'}}\n")
    assert told == [f"one.yml:4: certificates.{field}: {NEVER_AN_ITEM}"]


def test_a_field_with_a_strangers_key_is_that_field(tmp_path: Path) -> None:
    assert problems(tmp_path, "    authority_left: {warn_below: 9 d, connect: 'a:1'}\n") == [
        "one.yml:4: certificates.authority_left.connect: unknown key; known are warn_below, fail_below"
    ]


def test_what_is_wrong_with_several_items_is_told_at_once(tmp_path: Path) -> None:
    said = (
        "    lacks: {name: a.example}\n"
        "    wrong: {connect: 'a.example', starttls: irc}\n"
        "    later: {name: b.example}\n"
        "    files: {a.pem: {key_mode: 640}, /etc/shadow: {}}\n"
        "- hosts: web\n  certificates:\n    later: {connect: 'b.example:443'}\n    lacks: {names: [c.example]}\n"
    )
    assert [told.partition(" certificates.")[2].partition(": ")[::2] for told in problems(tmp_path, said)] == [
        ("lacks.connect", "is missing"),
        ("wrong.connect", f"'a.example' {NO_PLACE}"),
        ("wrong.starttls", "'irc' is not 'smtp', 'imap', 'pop3', 'ftp', 'ldap', 'postgres', 'mysql' or 'xmpp'"),
        ("files.a.pem", "'a.pem' is no absolute path of a file"),
        ("files.a.pem.key_mode", "640 is a number to YAML, and not octal: write it in quotes, '0640'"),
        ("files./etc/shadow", "'/etc/shadow' leads to /etc/shadow, which is never read"),
    ]


def test_what_is_missing_in_one_file_may_stand_in_another(tmp_path: Path) -> None:
    first, second = "    www: {name: a.example, bogus: 1}\n", "    www: {connect: 'a.example:443'}\n"
    assert problems(tmp_path, first, second) == ["one.yml:4: certificates.www.bogus: unknown key"]
    assert problems(tmp_path, first, first)[-1] == "two.yml:4: certificates.www.bogus: unknown key"
    assert sum("is missing" in told for told in problems(tmp_path, first, first)) == 1


def problems(folder: Path, *said: str) -> list[str]:
    """What is wrong with files, of each of which this stands below `certificates:` of its first play."""
    with pytest.raises(PolicyError) as error:
        fleet.understood(folder, *(f"plays:\n- hosts: all\n  certificates:\n{text}" for text in said))
    return [str(problem) for problem in error.value.problems]


def test_a_server_has_time_but_not_all_of_it() -> None:
    assert policy(wait="10 s").wait == 10
    assert refused(wait="11 s") == ["wait: '11 s' is not from 100 ms to 10 s"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("waits: 2 s", "unknown key; did you mean wait?"),
        ("authorities_left: {warn_below: 10 d}", "unknown key; did you mean authority_left?"),
        ("file: {/etc/a.pem: {}}", "unknown key; did you mean files?"),
        ("endpoints: {www: {connect: 'a:1'}}", "its items stand below `certificates:`"),
        ("www: a.example:443", "a mapping is wanted here, not 'a.example:443'"),
        (
            "' ': {connect: 'a:1'}",
            "is no name to be told by: it is empty, too long, or has characters that nobody sees",
        ),
    ],
)
def test_a_field_that_is_misspelt_is_no_certificate(tmp_path: Path, said: str, reason: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(reason)) as error:
        fleet.understood(tmp_path, f"plays:\n- hosts: all\n  certificates:\n    {said}\n")
    assert len(error.value.problems) == 1


def test_plays_say_who_serves_a_file_and_take_it_back(tmp_path: Path) -> None:
    first = "plays:\n- hosts: all\n  certificates: {files: {/a.pem: {served_by: www}}}\n"
    second = "- hosts: all\n  certificates: {www: {connect: 'www.example.org:443'}}\n"
    assert fleet.understood(tmp_path, first + second).for_host("web1").certificates.files["/a.pem"].served_by == "www"
    with pytest.raises(PolicyError, match=re.escape("certificates.files./a.pem.served_by: 'www' is no certificate")):
        fleet.understood(tmp_path, f"{first}{second}- hosts: db\n  certificates: {{www: null}}\n")


def test_a_certificate_that_is_nearly_called_as_a_field_is_one_all_the_same() -> None:
    assert list(policy(waits=AT, file=AT).endpoints) == ["waits", "file"]


def test_it_is_met_where_it_is_served_and_its_name_is_asked_for() -> None:
    assert endpoint().endpoints() == [Endpoint(WWW, 443, WWW, versions=VERSIONS)]
    assert endpoint(connect="[2001:db8::1]:8443").endpoints() == [
        Endpoint("2001:db8::1", 8443, "2001:db8::1", versions=VERSIONS)
    ]


def test_backends_are_met_as_it_is_and_every_name_is_asked_for() -> None:
    said = endpoint(
        name="shop.example",
        names=["bücher.example", "192.0.2.7", "shop.example"],
        without_name=True,
        backends=["192.0.2.1:8443", "WWW.example.org:443"],
        starttls="smtp",
    )
    others = ("xn--bcher-kva.example", "192.0.2.7", "")
    assert said.endpoints() == [
        Endpoint(WWW, 443, "shop.example", "smtp", versions=VERSIONS, also_named=others),
        Endpoint("192.0.2.1", 8443, "shop.example", "smtp", versions=VERSIONS, also_named=others),
    ]
    assert said.names_wanted == ["shop.example", *others[:2]]


def test_mysql_is_not_tried_again_and_again_unless_protocols_are_named() -> None:
    assert endpoint(starttls="mysql").endpoints()[0].versions == ()
    assert endpoint(starttls="mysql", protocols=["TLSv1.3"]).endpoints()[0].versions == VERSIONS


APPLIES: list[tuple[Mapping[str, Any], str]] = [
    ({}, "-issuer -client_asked"),
    ({"roots": "/ca.pem"}, "-lifetime -caa -issuer -client_asked"),
    ({"roots": "/ca.pem", "caa": "ca.example"}, "-lifetime -issuer -client_asked"),
    ({"roots": "/ca.pem", "public": True}, "-issuer -client_asked"),
    ({"public": False}, "-lifetime -caa -issuer -client_asked"),
    ({"connect": "192.0.2.1:443"}, "-caa -issuer -client_asked"),
    ({"connect": "192.0.2.1:443", "caa": "ca.example"}, "-caa -issuer -client_asked"),
    ({"connect": "192.0.2.1:443", "name": WWW}, "-issuer -client_asked"),
    ({"revocation": "off"}, "-revocation -issuer -client_asked"),
    ({"one_certificate": False}, "-same -issuer -client_asked"),
    ({"issuer": "Example CA", "client_certificate": True}, ""),
    ({"starttls": "mysql"}, "-protocols -issuer -client_asked"),
]


@pytest.mark.parametrize(("said", "but"), APPLIES, ids=[str(said) for said, _ in APPLIES])
def test_only_what_there_is_to_claim_is_claimed(said: Mapping[str, Any], but: str) -> None:
    found = endpoint(**said)
    assert {claim for claim in OF_ENDPOINTS if not found.applies(claim)} == set(but.replace("-", "").split())


def test_claims_of_a_file_follow_what_is_said_of_it() -> None:
    files = policy({"/a": {}, "/b": {"served_by": "www"}, "/c": {"purpose": "client"}}, www=AT).files
    claims = {path: {claim for claim in OF_FILES if file.applies(claim)} for path, file in files.items()}
    assert claims == {"/a": {"files", "keys"}, "/b": {"files", "keys", "reloaded"}, "/c": {"files", "keys", "client"}}


def test_nobody_is_met_for_nothing() -> None:
    assert wanted(policy()) is None
    said = policy({"/a": {"key": "/k"}}, www=AT)
    assert said.wanted("here", frozenset({"memory.swap_used", "dns.ipv4"}), BOTH) is None
    assert wanted(said, "here", "files", "keys") is None
    assert wanted(said, "here", "issuer") is None
    assert wanted(said, "host") is None


def test_what_is_met_for_a_file_is_what_is_served_from_it() -> None:
    said = policy({"/a": {"served_by": "www"}}, www=AT, other={"connect": "other.example:443"})
    found = wanted(said, "here", "reloaded")
    assert found is not None
    assert [each.host for each in found.endpoints] == [WWW]


def test_each_vantage_meets_its_own_in_the_families_that_are_expected() -> None:
    said = policy(
        www={**AT, "families": ["ipv6"], "roots": "here"},
        same={**AT, "roots": "/ca.pem"},
        inside={"connect": "127.0.0.1:5432", "vantage": "host", "roots": "host", "revocation": "off"},
        wait="2 s",
    )
    assert wanted(said, estate=("ipv4",)) == Wanted(
        [Endpoint(WWW, 443, WWW, versions=VERSIONS)], ["ipv6", "ipv4"], 2.0, ["", "/ca.pem"], revocation=True
    )
    inside = Endpoint("127.0.0.1", 5432, "127.0.0.1", versions=VERSIONS)
    assert wanted(said, "host", estate=("ipv4",)) == Wanted([inside], ["ipv4"], 2.0, [""], revocation=False)
    found = wanted(said, "here", "in_date")
    assert found is not None and not found.revocation


def asked(request: Request | None) -> list[tuple[str, str]]:
    assert request is not None
    assert all(question.servers is None for question in request.questions)
    messages = [dns.message.from_wire(bytes.fromhex(question.wire)) for question in request.questions]
    assert [message.question[0].to_text() for message in messages] == [
        f"{question.name}. IN {question.type}" for question in request.questions
    ]
    return [(question.name, question.type) for question in request.questions]


def test_caa_is_asked_for_where_it_is_met_from_the_name_up() -> None:
    said = policy(
        www=AT,
        shop={"connect": "shop.example.org:443"},
        inside={"connect": "127.0.0.1:443", "name": "db.example", "vantage": "host"},
        private={"connect": "private.example:443", "public": False},
    )
    assert asked(said.here_request(EVERY)) == [
        (name, "CAA") for name in ("www.example.org", "example.org", "org", "shop.example.org")
    ]
    assert asked(said.request(EVERY)) == [("db.example", "CAA"), ("example", "CAA")]
    assert said.here_request(frozenset({"certificates.in_date"})) is None
    assert said.request(frozenset({"certificates.in_date"})) is None


def test_a_host_reads_the_files_that_are_judged() -> None:
    said = policy({"/a": {"key": "/a.key"}, "/c/*": {"purpose": "client"}}, www=AT)
    assert said.request(EVERY) == Request({"/a": "/a.key", "/c/*": ""})
    assert said.request(frozenset({"certificates.client"})) == Request({"/c/*": ""})
    assert said.request(frozenset({"certificates.trust"})) is None
    assert said.here_request(EVERY - {"certificates.caa"}) is None


def test_the_schema_tells_certificates_from_fields() -> None:
    pattern = Policy.DIRECT_KEYS
    assert all(re.search(pattern, key) for key in ("www", "wait2", "files.example"))
    assert not any(re.search(pattern, key) for key in Policy.model_fields)


def test_who_names_no_certificate_loads_nothing_of_them() -> None:
    asks = (
        "import sys; from selftest import judged; policy = judged.policy(); every = frozenset({'certificates.trust'});"
        "policy.requests(every); policy.certificates.wanted('here', every, ()); import shipworthy.here;"
        "import shipworthy.plugin.fixtures;"
        "print(*sorted({'OpenSSL', 'cryptography', 'shipworthy.judging.shown', 'shipworthy.vantage.visiting'}"
        " & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""
