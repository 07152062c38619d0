"""testinfra's `host` over our link, so that users' own tests use the connection that is open anyway.

In: a `Link` and its `Host`. Out: a `testinfra.host.Host`. `become` is honoured: as with testinfra's `--sudo`, every
command runs by sudo; `with host.sudo():` works besides. A sudo password is given only to sudo's own prompt.
"""

from __future__ import annotations

import secrets
import time
from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult  # type: ignore[import-untyped]
from testinfra.host import Host as TestinfraHost  # type: ignore[import-untyped]

from shipworthy.errors import LinkError
from shipworthy.inventory import Become, Host
from shipworthy.links import Completed, Link
from shipworthy.links.become import SudoTalk, as_user, prompt, refusal
from shipworthy.links.text import seconds_as_text

COMMAND_SECONDS = 60.0
OUTPUT_BYTES = 2**24


class LinkBackend(BaseBackend):  # type: ignore[misc]  # testinfra is not typed
    """A testinfra backend whose commands run on an open link, one at a time."""

    NAME = "shipworthy"

    def __init__(self, link: Link, host: Host, *, seconds: float = COMMAND_SECONDS) -> None:
        become = host.become
        super().__init__(host.name, sudo=become is not None, sudo_user=become.user if become else None)
        self._link = link
        self._password = become.password if become else None
        self._seconds = seconds
        self._nonce = ""
        self._sudo_user: str | None = None

    def __repr__(self) -> str:
        """Stands in testinfra's messages: the same on every host, so that the same finding is told once."""
        return self.NAME

    def get_pytest_id(self) -> str:
        return str(self.hostname)

    def get_sudo_command(self, command: str, sudo_user: str | None) -> str:
        """Called by testinfra for `--sudo` and `host.sudo()` alike."""
        self._sudo_user = sudo_user or "root"
        # Standard input is sudo's, for the password; the command has none, as everywhere in testinfra.
        return as_user(f"exec </dev/null; {command}", Become(self._sudo_user, self._password), self._nonce)

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        """Run `command` with `args` quoted into it; `kwargs` are other backends' and mean nothing here.

        Raises `LinkError` when the command takes too long, sudo refuses, or the connection has gone.
        """
        del kwargs
        self._nonce, self._sudo_user = secrets.token_hex(8), None
        line = self.get_command(command, *args)
        if self._sudo_user:
            done = self._run_by_sudo(line, Become(self._sudo_user, self._password))
        else:
            done = self._link.run(line, seconds=self._seconds, at_most=OUTPUT_BYTES)
        if done.exit_status is None:
            raise LinkError("command", "the connection ended before the command did")
        return self.result(done.exit_status, self.encode(line), done.stdout, done.stderr)

    def _run_by_sudo(self, line: str, become: Become) -> Completed:
        sudo = SudoTalk(become, self._nonce)
        until = time.monotonic() + self._seconds
        out, err = bytearray(), bytearray()
        with self._link.converse(line) as talk:
            while not talk.finished:
                if time.monotonic() >= until:
                    raise LinkError("command", f"not over after {seconds_as_text(self._seconds)}")
                more, more_err = talk.read(until)
                out += more[: OUTPUT_BYTES - len(out)]
                err += more_err[: OUTPUT_BYTES - len(err)]
                if answer := sudo.hear(more_err):
                    talk.write(answer, until)
            status = talk.exit_status
        if status in (1, 127) and not out and (reason := refusal(bytes(err), become, self._nonce, status)):
            raise LinkError("become", reason)
        return Completed(status, bytes(out), bytes(err).replace(prompt(self._nonce).encode(), b""))


def testinfra_host(link: Link, host: Host) -> TestinfraHost:
    """testinfra's host for `host`, over `link`, for as long as the link is open."""
    backend = LinkBackend(link, host)
    opened = TestinfraHost(backend)
    backend.set_host(opened)
    return opened


testinfra_host.__test__ = False  # type: ignore[attr-defined]  # its name begins as a test's does
