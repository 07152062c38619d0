"""Who the host is: known_hosts as OpenSSH reads it, and what is done about strangers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import stat
from pathlib import Path

import pytest

from selftest.links.servers import PATIENT, Lab, fail, keygen, say
from shipworthy.inventory import Become, Secret
from shipworthy.links import open_link
from shipworthy.links.known_hosts import entries_for, host_name

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHZ9"


def hashed(name: str) -> str:
    salt = b"s" * 20
    digest = hmac.digest(salt, name.encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("line", "name", "found"),
    [
        (f"db1 {KEY}", "db1", True),
        (f"DB1.example {KEY}", "db1.example", True),
        (f"db1,10.0.0.1 {KEY} a comment", "10.0.0.1", True),
        (f"db? {KEY}", "db12", False),
        (f"*.example {KEY}", "db1.example", True),
        (f"*.example,!db1.example {KEY}", "db1.example", False),
        (f"[db1]:2222 {KEY}", "[db1]:2222", True),
        (f"[db*]:2222 {KEY}", "[db1]:2222", True),
        (f"[db1]:2222 {KEY}", "db1", False),
        (f"{hashed('db1')} {KEY}", "db1", True),
        (f"{hashed('db1')} {KEY}", "db2", False),
        (f"|1|broken {KEY}", "db1", False),
        (f"@revoked db1 {KEY}", "db1", True),
        (f"@cert-authority db1 {KEY}", "db1", False),
        (f"@unknown db1 {KEY}", "db1", False),
        (f"# db1 {KEY}", "db1", False),
        ("db1 ssh-ed25519", "db1", False),
        ("db1 ssh-ed25519 not*base64", "db1", False),
    ],
)
def test_a_line_speaks_of_a_name(tmp_path: Path, line: str, name: str, found: bool) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"\n{line}\n")
    entries = entries_for([tmp_path / "missing", file], [name])
    assert bool(entries) is found
    assert not entries or entries[0].place == f"{file}:2"


def test_names_in_known_hosts_carry_the_port_unless_it_is_22() -> None:
    assert [host_name("DB1", 22), host_name("db1", 2222), host_name("::1", 22), host_name("::1", 2222)] == [
        "db1",
        "[db1]:2222",
        "::1",
        "[::1]:2222",
    ]


def known(lab: Lab, text: str) -> Path:
    file = lab.home / ".ssh/known_hosts"
    file.write_text(text)
    return file


def test_a_hashed_entry_is_good(lab: Lab) -> None:
    known(lab, lab.server.known_as(hashed(f"[127.0.0.1]:{lab.server.port}")))
    with open_link(lab.host(), PATIENT, {}) as link:
        assert say(link, "echo ok") == "ok"


def test_a_key_of_the_bare_name_serves_every_port(lab: Lab) -> None:
    known(lab, lab.server.known_as("127.0.0.1"))
    with open_link(lab.host(), PATIENT, {}) as link:
        assert say(link, "echo ok") == "ok"


def test_a_different_key_is_refused_with_both_fingerprints_and_the_place(lab: Lab, folder: Path) -> None:
    other = keygen(folder / "another-host" / "key")
    public = Path(f"{other}.pub").read_text()
    file = known(lab, f"# first line\n[127.0.0.1]:{lab.server.port} {public}")
    error, rungs, _ = fail(lab.host())
    assert error.rung == "host key"
    assert error.reason == (
        f"host key differs: the host has ED25519 key {fingerprint(lab.server.host_key)}, "
        f"known is ED25519 key {fingerprint(public)} at {file}:2"
    )
    assert "authentication" not in rungs


def fingerprint(public: str) -> str:
    digest = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def test_an_unknown_key_is_refused_by_default(lab: Lab) -> None:
    file = known(lab, "")
    error, _, _ = fail(lab.host())
    assert error.reason == (
        f"host key is not known: the host has ED25519 key {fingerprint(lab.server.host_key)}, "
        f"and {file} has none for [127.0.0.1]:{lab.server.port}"
    )


def test_a_revoked_key_is_refused_even_when_nothing_is_checked(lab: Lab) -> None:
    file = known(lab, f"* {lab.server.host_key}\n@revoked * {lab.server.host_key}\n")
    error, _, _ = fail(lab.host(host_key_checking="off"))
    assert error.reason.endswith(f"is revoked at {file}:2")


@pytest.mark.parametrize("options", [(), (("hashknownhosts", "yes"),)])
def test_accept_new_adds_the_key_and_then_knows_it(lab: Lab, options: tuple[tuple[str, str], ...]) -> None:
    file = lab.home / ".ssh/known_hosts"
    file.unlink()
    with open_link(lab.host(host_key_checking="accept-new", ssh_options=options), PATIENT, {}) as link:
        assert say(link, "echo ok") == "ok"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().startswith("|1|" if options else f"[127.0.0.1]:{lab.server.port} ssh-ed25519 ")
    with open_link(lab.host(host_key_checking="yes"), PATIENT, {}) as link:
        assert say(link, "echo ok") == "ok"


def test_accept_new_does_not_accept_a_changed_key(lab: Lab, folder: Path) -> None:
    public = Path(f"{keygen(folder / 'changed' / 'key')}.pub").read_text()
    known(lab, f"* {public}")
    assert fail(lab.host(host_key_checking="accept-new"))[0].reason.startswith("host key differs")
    rsa = Path(f"{keygen(folder / 'changed' / 'rsa', 'rsa')}.pub").read_text()
    known(lab, f"* {rsa}")
    assert fail(lab.host(host_key_checking="accept-new"))[0].reason.startswith("host key differs")


@pytest.mark.parametrize(
    "secrets", [{"password": Secret("hunter2")}, {"become": Become("root", Secret("hunter2"))}], ids=["login", "sudo"]
)
def test_a_password_goes_to_no_host_whose_key_was_just_accepted(lab: Lab, secrets: dict[str, object]) -> None:
    file = known(lab, "")
    error, rungs, _ = fail(lab.host(host_key_checking="accept-new", **secrets))
    assert error.reason.endswith("accept-new is never used with a password")
    assert file.read_text() == ""
    assert "authentication" not in rungs


def test_off_checks_nothing_and_writes_nothing(lab: Lab) -> None:
    file = known(lab, "")
    with open_link(lab.host(host_key_checking="off"), PATIENT, {}) as link:
        assert say(link, "echo ok") == "ok"
    assert file.read_text() == ""


def test_off_sends_no_password_to_a_host_whose_key_changed(lab: Lab, folder: Path) -> None:
    public = Path(f"{keygen(folder / 'changed2' / 'key')}.pub").read_text()
    known(lab, f"* {public}")
    error, _, _ = fail(lab.host(host_key_checking="off", password=Secret("hunter2")))
    assert error.reason.endswith("no password is sent to it")


def test_a_certificate_authority_is_pointed_out(lab: Lab) -> None:
    file = known(lab, f"@cert-authority * {lab.server.host_key}\n")
    error, _, _ = fail(lab.host())
    assert error.reason.startswith("host key is not known: ")
    assert error.reason.endswith(f"; {file}:1 names a host certificate authority: --connection=openssh follows it")
