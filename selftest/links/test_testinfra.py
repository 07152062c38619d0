"""testinfra's `host` over our link: users' own tests, on the connection that is open anyway; and sudo, for real.

The sudo tests run in a mount namespace of their own, where /etc knows two more users and what they may.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from selftest.links.servers import PATIENT, Lab, with_users
from shipworthy.errors import LinkError
from shipworthy.inventory import Become, Host, Secret
from shipworthy.links import Completed, Conversation, open_link
from shipworthy.links.testinfra import LinkBackend, testinfra_host

PASSWORD = "correct horse"


def test_users_tests_use_the_open_connection(lab: Lab) -> None:
    before = lab.server.log.count("Connection from")
    with open_link(lab.host(), PATIENT, {}) as link:
        host = testinfra_host(link, lab.host())
        assert host.file("/etc/passwd").contains("root")
        assert host.user().name == "root"
        assert host.check_output("echo %s", "it's; $HOME") == "it's; $HOME"
        failed = host.run("echo out; echo err >&2; exit 3")
        assert (failed.rc, failed.stdout, failed.stderr) == (3, "out\n", "err\n")
        assert host.backend.get_pytest_id() == "db1"
        assert "db1" in repr(host)
    assert lab.server.log.count("Connection from") == before + 1


def test_a_command_that_hangs_is_a_link_error() -> None:
    here = Host("here", "here", connection="local")
    with open_link(here, PATIENT, {}) as link:
        backend = LinkBackend(link, here, seconds=0.2)
        with pytest.raises(LinkError, match="command: not over after 200 ms"):
            backend.run("sleep 30")


class Inside:
    """A link whose commands run as a user in the namespace."""

    notices: tuple[str, ...] = ()
    address: str | None = None

    def __init__(self, folder: Path, user: str) -> None:
        self.rungs: dict[str, float] = {}
        self._folder = folder
        self._user = user
        self._here = Host("here", "here", connection="local")

    @contextlib.contextmanager
    def converse(self, command: str) -> Iterator[Conversation]:
        become = ["setpriv", f"--reuid={self._user}", "--regid=65534", "--clear-groups", "/bin/sh", "-c", command]
        line = shlex.join([*with_users(self._folder, PASSWORD), *become])
        with open_link(self._here, PATIENT, {}) as link, link.converse(line) as talk:
            yield talk

    def run(self, command: str, *, input: bytes = b"", seconds: float, at_most: int = 2**21) -> Completed:
        from shipworthy.links.conversation import run

        return run(self, command, input=input, seconds=seconds, at_most=at_most)


def whoami(folder: Path, user: str, password: str | None) -> str:
    become = Become("root", Secret(password) if password else None)
    host = testinfra_host(Inside(folder, user), Host("db1", "db1", become=become))
    return str(host.check_output("id -un; cat"))


@pytest.mark.parametrize(("user", "password"), [("asks", PASSWORD), ("passwordless", PASSWORD), ("passwordless", None)])
def test_sudo_makes_root_of_who_may(etc: Path, user: str, password: str | None) -> None:
    assert whoami(etc, user, password) == "root"


@pytest.mark.parametrize(
    ("user", "password", "reason"),
    [
        ("asks", "wrong", "sudo did not accept the password"),
        ("asks", None, "sudo asks for a password, and none is configured (ansible_become_password)"),
        ("denied", PASSWORD, "denied is not in the sudoers file."),
    ],
)
def test_sudo_refuses_in_one_line(etc: Path, user: str, password: str | None, reason: str) -> None:
    with pytest.raises(LinkError) as caught:
        whoami(etc, user, password)
    assert (caught.value.rung, caught.value.reason) == ("become", reason)


def test_host_sudo_nests(etc: Path) -> None:
    host = testinfra_host(Inside(etc, "passwordless"), Host("db1", "db1"))
    assert host.check_output("id -un") == "passwordless"
    with host.sudo():
        assert host.check_output("id -un") == "root"
        with host.sudo("asks"):
            assert host.check_output("id -un") == "asks"


def test_testinfra_is_not_imported_by_the_links() -> None:
    code = "import sys, shipworthy.links.local; sys.exit('testinfra' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
