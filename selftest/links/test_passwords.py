"""Logging in with passwords, against a real sshd whose users only its own mount namespace knows."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from selftest.links.servers import PATIENT, Lab, Server, fail, say, sshd, with_users
from shipworthy.inventory import Secret
from shipworthy.links import open_link

PASSWORD = "known to nobody but these tests"
PLAIN = ("PasswordAuthentication yes",)
INTERACTIVE = ("UsePAM yes", "KbdInteractiveAuthentication yes")
BOTH = ("PasswordAuthentication yes", "AuthenticationMethods publickey,password")


@pytest.fixture(params=[PLAIN, INTERACTIVE, BOTH], ids=["password", "keyboard-interactive", "key and password"])
def guarded(request: pytest.FixtureRequest, lab: Lab, etc: Path) -> Iterator[Server]:
    with sshd(etc / "sshd", Path(f"{lab.key}.pub"), *request.param, inside=with_users(etc, PASSWORD)) as server:
        (lab.home / ".ssh/known_hosts").write_text(server.known_as(f"[127.0.0.1]:{server.port}"))
        yield server


def test_the_password_opens_and_a_wrong_one_does_not(
    lab: Lab, guarded: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    named = {"port": guarded.port, "user": "asks"}
    both = "AuthenticationMethods" in (guarded.folder / "config").read_text()
    key = {} if both else {"private_key_file": None}
    with open_link(lab.host(**named, **key, password=Secret(PASSWORD)), PATIENT, {}) as link:
        assert say(link, "id -un") == "asks"
        assert no_process_knows(PASSWORD)
    error, _, _ = fail(lab.host(**named, **key, password=Secret("canary-1c3d")), PATIENT)
    assert error.rung == "authentication"
    assert "not accepted as asks" in error.reason
    assert "password" in error.reason
    assert "canary" not in f"{error.reason}{error!r}{caplog.text}{guarded.log}"
    assert error.__context__ is None or "canary" not in repr(error.__context__)
    if both:
        error, _, _ = fail(lab.host(**named), PATIENT)
        assert "(accepted, and not enough); the server takes password" in error.reason


def no_process_knows(secret: str) -> bool:
    """That no command line and no environment on this machine holds `secret`."""
    for name in ("cmdline", "environ"):
        for file in Path("/proc").glob(f"[0-9]*/{name}"):
            try:
                if secret.encode() in file.read_bytes():
                    return False
            except OSError:
                continue
    return True
