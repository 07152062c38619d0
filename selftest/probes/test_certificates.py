"""Certificates on disk: what is taken out of files of every kind, what is not, and that nothing hangs."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from pydantic import TypeAdapter

from selftest.chains import pki
from selftest.probes.dns_host import on_a_host
from selftest.probes.interpreters import answer, interpreters
from selftest.vantage.tls_servers import made
from shipworthy.dns_messages import query
from shipworthy.probes import certificates
from shipworthy.probes.certificates import Certificates, File, Key, Question, Request, probe
from shipworthy.probes.parts import certificate_files
from shipworthy.probes.parts.globs import MOST
from shipworthy.probes.parts.pem import read_pem
from shipworthy.probes.runtime.encode import AT_MOST, encode, line
from shipworthy.probes.runtime.machine import Machine

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
CASES = Path(__file__).parents[1] / "cases" / "certificates"
BEGIN = b"-----BEGIN CERTIFICATE-----\n"
LEAF, ISSUING = made().leaf, made().issuing


def pem(*issued: pki.Issued) -> bytes:
    return b"".join(one.certificate.public_bytes(Encoding.PEM) for one in issued)


def key_pem(form: PrivateFormat = PrivateFormat.PKCS8, secret: bytes = b"") -> bytes:
    protection = BestAvailableEncryption(secret) if secret else NoEncryption()
    found: bytes = LEAF.key.private_bytes(Encoding.PEM, form, protection)
    return found


def key_der(form: PrivateFormat = PrivateFormat.PKCS8, secret: bytes = b"") -> bytes:
    protection = BestAvailableEncryption(secret) if secret else NoEncryption()
    found: bytes = LEAF.key.private_bytes(Encoding.DER, form, protection)
    return found


def text(*issued: pki.Issued) -> list[str]:
    return [one.text for one in issued]


def read(**files: str) -> Certificates:
    return probe(Machine(), Request(files=files))


def one(path: Path, key: str = "") -> File:
    (file,) = probe(Machine(), Request(files={str(path): key})).files[str(path)]
    return file


def holds(path: Path, data: bytes) -> File:
    path.write_bytes(data)
    return one(path)


SECRETS = [
    line
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
    for line in key_pem(form).splitlines()
    if not line.startswith(b"-----") and len(line) > 40
]

TAKEN: dict[str, bytes] = {
    "PEM": pem(LEAF, ISSUING),
    "a key before it": key_pem() + pem(LEAF, ISSUING),
    "a key between": pem(LEAF) + key_pem(PrivateFormat.TraditionalOpenSSL) + pem(ISSUING),
    "a key behind it": pem(LEAF, ISSUING) + key_pem(secret=b"secret"),
    "words around": b"Bag Attributes\n friendlyName: x\n" + pem(LEAF) + b"# and so on\n\n" + pem(ISSUING) + b"end",
    "Windows lines": pem(LEAF, ISSUING).replace(b"\n", b"\r\n"),
    "one line": pem(LEAF)
    + b"-----BEGIN CERTIFICATE-----\n"
    + base64.b64encode(ISSUING.der)
    + b"\n-----END CERTIFICATE-----",
    "another label": pem(LEAF, ISSUING).replace(b" CERTIFICATE", b" X509 CERTIFICATE"),
    "DER": LEAF.der,
    "DER and more": LEAF.der + key_der(),
}


@pytest.mark.parametrize("name", TAKEN)
def test_certificates_are_taken_in_order(name: str, tmp_path: Path) -> None:
    file = holds(tmp_path / "file", TAKEN[name])
    assert file.error == ""
    assert file.certificates == (text(LEAF) if name.startswith("DER") else text(LEAF, ISSUING))
    assert file.holds_key == ("key" in name)
    assert (file.key is not None) == file.holds_key
    assert abs(file.modified - time.time()) < 60


def test_openssls_own_form_of_trusted_ones_is_taken(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(pem(LEAF))
    command = ["openssl", "x509", "-in", str(tmp_path / "plain"), "-addtrust", "serverAuth", "-trustout"]
    trusted = subprocess.run(command, capture_output=True, check=True).stdout
    assert b"TRUSTED" in trusted
    assert holds(tmp_path / "file", trusted).certificates == text(LEAF)


REFUSED: dict[str, tuple[bytes, str, bool]] = {
    "empty": (b"", "no certificate in it", False),
    "garbage": (os.urandom(5000), "no certificate in it", False),
    "words": (b"hello\n" * 100, "no certificate in it", False),
    "a key": (key_pem(), "no certificate in it", True),
    "a key in DER": (key_der(), "no certificate in it", True),
    "an old key in DER": (key_der(PrivateFormat.TraditionalOpenSSL), "no certificate in it", True),
    "an encrypted key in DER": (key_der(secret=b"secret"), "no certificate in it", True),
    "PKCS 12": (
        serialize_key_and_certificates(b"x", LEAF.key, LEAF.certificate, None, BestAvailableEncryption(b"secret")),
        "no certificate in it",
        True,
    ),
    "a key as a certificate": (
        key_pem().replace(b"PRIVATE KEY", b"CERTIFICATE"),
        "certificate 1 in it is damaged",
        False,
    ),
    "a key within": (
        pem(LEAF).replace(b"\n", b"\n" + key_pem(), 1),
        "no certificate in it",
        True,
    ),
    "a damaged one": (pem(LEAF) + pem(ISSUING).replace(b"M", b"%", 1), "certificate 2 in it is damaged", False),
    "nothing in it": (
        BEGIN + b"-----END CERTIFICATE-----\n",
        "certificate 1 in it is damaged",
        False,
    ),
    "cut short": (pem(LEAF) + pem(ISSUING)[:300], "certificate 2 in it is cut short", False),
    "DER cut short": (LEAF.der[:300], "certificate 1 in it is cut short", False),
    "10 MB of DER": (b"\x30\x83\x98\x96\x80\x30\x83\x98\x96\x70\xa0" + bytes(10_000_000), "more than 1 MiB", False),
    "4 GB of DER": (b"\x30\x84\xff\xff\xff\xff\x30\x84\xff\xff\xff\x00\xa0", "more than 1 MiB", False),
    "10 MB": (pem(LEAF) + b"x" * 10_000_000, "more than 1 MiB", False),
    "10 MB of lines": (pem(LEAF) + b"x\n" * 5_000_000, "more than 1 MiB", False),
    "a block of 10 MB": (
        BEGIN + b"A" * 10_000_000,
        "certificate 1 in it is longer than any is",
        False,
    ),
    "201": (pem(LEAF) * 201, "more than 200 certificates in it", False),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_with_a_file_is_said(name: str, tmp_path: Path) -> None:
    data, error, holds_key = REFUSED[name]
    file = holds(tmp_path / "file", data)
    assert (file.error, file.certificates, file.holds_key) == (error, [], holds_key)


@pytest.mark.parametrize("name", [*TAKEN, *REFUSED])
def test_no_byte_of_a_key_is_given_away(name: str, tmp_path: Path) -> None:
    """Nor in another form: what is told are certificates alone."""
    holds_it = TAKEN.get(name) or REFUSED[name][0]
    (tmp_path / "file").write_bytes(holds_it)
    said = json.dumps(encode(read(**{str(tmp_path / "file"): ""}))).encode()
    for secret in SECRETS:
        assert secret not in said
    number = LEAF.key.private_numbers().private_value.to_bytes(32, "big")
    blocks = [base64.b64decode(each) for each in one(tmp_path / "file").certificates]
    assert not any(number in block for block in blocks)
    assert len(SECRETS) >= 3
    assert number in key_der(), "it would be found"


def test_a_key_is_looked_at_from_outside_and_never_opened(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(key_pem())
    os.utime(key, (1, 1))
    key.chmod(0o4640)
    (tmp_path / "link").symlink_to("key.pem")
    (tmp_path / "chain.pem").write_bytes(pem(LEAF))
    file = one(tmp_path / "chain.pem", str(tmp_path / "link"))
    assert not file.holds_key
    assert file.key == Key(str(key.resolve()), "", 0o4640, owner(key), key.group())
    assert key.stat().st_atime == 1, "whoever reads it would have set this"


def owner(path: Path) -> str:
    return path.owner()


def test_a_key_beside_its_certificate_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "both.pem").write_bytes(pem(LEAF) + key_pem())
    (tmp_path / "both.pem").chmod(0o644)
    (tmp_path / "link.pem").symlink_to("both.pem")
    key = one(tmp_path / "link.pem", "/nonexistent").key
    assert key
    assert (key.path, key.mode, key.error) == (str((tmp_path / "both.pem").resolve()), 0o644, "")


def test_numbers_without_names_are_told_as_numbers(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("needs root")
    (tmp_path / "key").write_bytes(b"")
    os.chown(tmp_path / "key", 3_999_999, 3_999_998)
    key = one(tmp_path / "file", str(tmp_path / "key")).key
    assert key
    assert (key.owner, key.group) == ("3999999", "3999998")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "nowhere").symlink_to("gone")
    (tmp_path / "round").symlink_to("round")
    assert one(tmp_path / "none", str(tmp_path / "no-key")) == File(
        str(tmp_path / "none"), "no such file", [], False, 0.0, Key(str(tmp_path / "no-key"), "no such file", 0, "", "")
    )
    assert one(tmp_path / "nowhere").error == "no such file"
    assert one(tmp_path / "round").error == "not read: Too many levels of symbolic links"
    assert one(Path("/\0")).error.startswith("not read: ")


@pytest.mark.parametrize("kind", ["fifo", "directory", "device", "socket"])
def test_what_is_no_file_is_not_touched(kind: str, tmp_path: Path) -> None:
    path = tmp_path / kind
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "device":
        path = Path("/dev/zero")
    else:
        import socket

        socket.socket(socket.AF_UNIX).bind(str(path))
    begun = time.monotonic()
    assert one(path).error == "no regular file"
    assert time.monotonic() - begun < certificate_files.SECONDS / 2


@needs_root
def test_who_may_not_look_says_so(tmp_path: Path) -> None:
    python = "/usr/bin/python3"
    if not Path(python).exists():
        pytest.skip("no interpreter that nobody may start")
    folder = Path("/tmp") / f"certificates-{os.getpid()}"
    (folder / "closed").mkdir(parents=True)
    try:
        for name in ("closed/chain.pem", "chain.pem"):
            (folder / name).write_bytes(pem(LEAF))
            (folder / name).chmod(0o600)
        (folder / "closed").chmod(0o700)
        files = {
            f"{folder}/chain.pem": f"{folder}/closed/key.pem",
            f"{folder}/closed/chain.pem": "",
            f"{folder}/closed/*.pem": "",
            f"{folder}/*/chain.pem": "",
        }
        process = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/"}
        stdout, _, _ = answer(python, {"certificates": {"files": files}}, process=process)
    finally:
        subprocess.run(["rm", "-r", str(folder)], check=True)
    found = json.loads(stdout)["probes"]["certificates"]["reading"]["files"]
    assert {path.removeprefix(str(folder)): [each["error"] for each in each_of] for path, each_of in found.items()} == {
        "/chain.pem": ["not permitted"],
        "/closed/chain.pem": ["not permitted"],
        "/closed/*.pem": [f"not permitted: {folder}/closed"],
        "/*/chain.pem": ["not permitted"],
    }
    assert found[f"{folder}/chain.pem"][0]["key"]["error"] == "not permitted"


def test_a_glob_finds_what_a_shell_would(tmp_path: Path) -> None:
    for name in ("a/fullchain.pem", "b/fullchain.pem", "README", ".hidden/fullchain.pem", "c/x"):
        (tmp_path / "live" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "live" / name).write_bytes(pem(LEAF))
    (tmp_path / "live/d").mkdir()
    (tmp_path / "live/d/fullchain.pem").symlink_to("../../archive/gone.pem")
    patterns = {
        "live/*/fullchain.pem": ["a", "b", "d"],
        "live/[ab]/full*": ["a", "b"],
        "live/?/fullchain.pem": ["a", "b", "d"],
        "live/.*/fullchain.pem": [".hidden"],
        "l*/*": ["README"],
        "none/*": [],
        "live/README/*": [],
    }
    found = read(**{f"{tmp_path}/{pattern}": "" for pattern in patterns}).files
    for pattern, names in patterns.items():
        paths = [Path(file.path) for file in found[f"{tmp_path}/{pattern}"]]
        assert [path.name if path.name == "README" else path.parent.name for path in paths] == names, pattern
    errors = [file.error for file in found[f"{tmp_path}/live/*/fullchain.pem"]]
    assert errors == ["", "", "no such file"], "a link that leads nowhere is what somebody wanted to have there"


def test_a_glob_that_finds_too_much_is_cut_and_says_so(tmp_path: Path) -> None:
    for number in range(MOST + 5):
        (tmp_path / f"{number:04}.pem").write_bytes(b"")
    files = read(**{f"{tmp_path}/*.pem": ""}).files[f"{tmp_path}/*.pem"]
    assert len(files) == MOST + 1
    assert files[-1].error == f"more than {MOST} files: {MOST + 5}"


def test_all_that_is_told_has_room_in_an_answer(tmp_path: Path) -> None:
    """Hostile names, hundreds of files, megabytes of certificates."""
    for number in range(150):
        (tmp_path / ("\U0001f600" * 60 + f"{number:03}.pem")).write_bytes(pem(LEAF, ISSUING) * 20)
    patterns = {f"{tmp_path}/{'?' * count}*.pem": "" for count in range(20)}
    reading = read(**patterns)
    document = {"probes": {"certificates": {"version": 1, "reading": encode(reading), "seconds": 0.0}}}
    assert len(line(document)) < AT_MOST / 2
    assert "error" not in document["probes"]["certificates"]
    errors = {file.error for files in reading.files.values() for file in files}
    assert errors == {"", "not kept: certificates of this host take more than 768 KiB"}
    assert set(reading.files) == set(patterns)


MUTE = """
import ctypes, os, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
place, request = sys.argv[1:]
device = os.open("/dev/fuse", os.O_RDWR)
options = "fd={},rootmode=40000,user_id=0,group_id=0".format(device).encode()
if libc.mount(b"mute", place.encode(), b"fuse.mute", 0, options):
    sys.exit(os.strerror(ctypes.get_errno()))
done = subprocess.run([sys.executable, "-m", "shipworthy.probes", "certificates", "--request=" + request], timeout=60)
libc.umount2(place.encode(), 2)
sys.exit(done.returncode)
"""


@needs_root
@pytest.mark.skipif(not Path("/dev/fuse").exists(), reason="needs FUSE")
def test_a_dead_file_system_holds_up_nothing_else(tmp_path: Path) -> None:
    dead = tmp_path / "dead"
    dead.mkdir()
    (tmp_path / "well.pem").write_bytes(pem(LEAF))
    (tmp_path / "link.pem").symlink_to("dead/chain.pem")
    files = {
        f"{dead}/chain.pem": "",
        f"{dead}/*.pem": "",
        f"{tmp_path}/*.pem": "",
        f"{tmp_path}/well.pem": f"{dead}/key.pem",
        f"{tmp_path}/w*.pem": "",
    }
    (tmp_path / "request").write_text(json.dumps({"certificates": {"files": files}}))
    command = ["unshare", "--mount", sys.executable, "-c", MUTE, str(dead), str(tmp_path / "request")]
    begun = time.monotonic()
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=100, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < 30
    found: dict[str, Any] = json.loads(done.stdout)["certificates"]["reading"]["files"]
    late = "not read: no answer within 5 s"
    assert [[(Path(each["path"]).name, each["error"]) for each in found[path]] for path in files] == [
        [("chain.pem", late)],
        [("*.pem", late)],
        [("*.pem", late)],
        [("well.pem", late)],
        [("well.pem", "")],
    ]


@pytest.mark.parametrize("python", interpreters())
def test_every_python_reads_them_alike(python: str, tmp_path: Path) -> None:
    (tmp_path / "ä.pem").write_bytes(pem(LEAF) + key_pem())
    stdout, stderr, _ = answer(python, {"certificates": {"files": {f"{tmp_path}/*.pem": "", "/none": "/none"}}})
    assert stderr == b""
    outcome = json.loads(stdout)["probes"]["certificates"]
    assert outcome["version"] == certificates.VERSION
    reading = TypeAdapter(certificates.READING).validate_python(outcome["reading"], strict=True)
    assert reading == read(**{f"{tmp_path}/*.pem": "", "/none": "/none"})
    assert reading.files[f"{tmp_path}/*.pem"][0].certificates == text(LEAF)


def test_who_asks_for_nothing_has_nothing_done() -> None:
    assert probe(Machine(), Request()) == Certificates({}, [], [], 0, {})


@needs_root
@pytest.mark.xdist_group("dns")
def test_caa_is_asked_of_the_hosts_own_servers() -> None:
    files = {"/etc/resolv.conf": "nameserver 127.0.0.1\nnameserver 127.0.0.2\n"}
    asked = [encode(Question(name, "CAA", query(name, "CAA").hex())) for name in ("www.example.org", "example.org")]
    servers = {"127.0.0.1": "well", "127.0.0.2": "refuses"}
    reading = on_a_host(files, servers, probe="certificates", questions=asked)
    assert [server["address"] for server in reading["servers"]] == ["127.0.0.1", "127.0.0.2"]
    assert [[said["error"] for said in server["udp"]] for server in reading["servers"]] == [["", ""], ["", ""]]
    assert len(reading["messages"]) == 4
    assert reading["asked"] > 0
    assert reading["unseen"] == {}


@needs_root
@pytest.mark.xdist_group("dns")
def test_a_host_without_servers_has_none_to_ask() -> None:
    reading = on_a_host({"/etc/resolv.conf": ""}, {}, probe="certificates", questions=[["a", "CAA", "00" * 17]])
    assert (reading["servers"], reading["messages"]) == ([], [])
    assert reading["unseen"] == {"servers": "no name server is configured in /etc/resolv.conf"}


class Line(bytes):
    """One that says when it is gone."""

    gone = 0

    def __del__(self) -> None:
        Line.gone += 1


def test_of_a_key_no_line_is_held_on_to() -> None:
    lines = key_pem().splitlines(keepends=True)

    def told() -> Iterator[bytes]:
        yield from pem(LEAF).splitlines(keepends=True)
        before = Line.gone
        for number in range(len(lines)):
            assert Line.gone >= before + number - 1, "but for the one at hand"
            yield Line(lines[number])

    assert read_pem(told(), 1).holds_key
