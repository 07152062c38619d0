"""SSH by OpenSSH's own client: for host certificates, GSSAPI, Include, and whatever else only it can do.

In: a `Host`. Out: a `Link`, on which every command is one `ssh` process with its own three pipes, hence one login.
What ssh itself has to say goes to a pipe of its own (`-E`), so that it is never mixed with what the host says.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace

from shipworthy.errors import LinkError
from shipworthy.inventory import Host
from shipworthy.links import Completed, Conversation, Deadlines, Link
from shipworthy.links.conversation import run
from shipworthy.links.local import Process
from shipworthy.links.opened import Era, current
from shipworthy.links.openssh_log import LoginLog

_FIXED = {
    "BatchMode": "yes",
    "ClearAllForwardings": "yes",
    "ConnectionAttempts": "1",
    "ControlMaster": "no",
    "ControlPath": "none",
    "EscapeChar": "none",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    # The steps of the login are read from it; as an option, and not as -v, it is not handed to a ProxyJump's ssh.
    "LogLevel": "DEBUG1",
    "PermitLocalCommand": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "ServerAliveCountMax": "3",
    "ServerAliveInterval": "5",
}


_CONFIGURATION_SECONDS = 5.0


def arguments(host: Host, deadlines: Deadlines, command: str, log: str) -> list[str]:
    """ssh's argument list; nothing secret is in it. `log` is the file for its own words."""
    said = {"Port": host.port, "User": host.user, "StrictHostKeyChecking": _checking(host)}
    timeout = max(1, round(host.connect_timeout or deadlines.connect))
    # ssh takes the first of a keyword: what must not be changed, the inventory's variables, its options, our default.
    options = [
        *_FIXED.items(),
        *((keyword, str(value)) for keyword, value in said.items() if value is not None),
        *((("ConnectTimeout", str(timeout)),) if host.connect_timeout else ()),
        *(_at_known_address(host) if host.known_at else ()),
        *host.ssh_options,
        ("ConnectTimeout", str(timeout)),
    ]
    return [
        "ssh",
        *(("-F", host.ssh_config) if host.ssh_config else ()),
        *("-E", log),
        *(("-i", host.private_key_file) if host.private_key_file else ()),
        *(word for keyword, value in options for word in ("-o", f"{keyword}={value}")),
        *("--", host.address.strip("[]"), command),
    ]


def _at_known_address(host: Host) -> tuple[tuple[str, str], ...]:
    """To connect there, and to check its key by the name that ssh would have used."""
    plain = replace(host, known_at=None)
    asked = ["ssh", "-G", *arguments(plain, Deadlines(), "true", "/dev/null")[1:]]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=_CONFIGURATION_SECONDS, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    is_set = dict(reversed([line.split(" ", 1) for line in said.splitlines() if " " in line]))
    if not {"hostname", "port"} <= is_set.keys() or is_set.keys() & {"proxycommand", "proxyjump"}:
        return ()
    name, port = is_set["hostname"], is_set["port"]
    alias = is_set.get("hostkeyalias") or (name if port == "22" else f"[{name}]:{port}")
    return (("HostName", str(host.known_at)), ("HostKeyAlias", alias))


def _checking(host: Host) -> str | None:
    """A key is never taken on trust where a password will be sent, whatever ssh's own configuration says."""
    if not (host.become and host.become.password):
        return host.host_key_checking
    # Asked for `no`, ssh would also log in where a known key has changed; a host is only to be new.
    return "accept-new" if host.host_key_checking == "off" else "yes"


class SshTalk(Process):
    """One ssh process, logged in."""

    def __init__(self, host: Host, deadlines: Deadlines, command: str) -> None:
        reading, writing = os.pipe()
        try:
            # By our name for it: ssh closes whatever it inherits but the first three.
            super().__init__(arguments(host, deadlines, command, f"/proc/{os.getpid()}/fd/{writing}"))
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        self.log = LoginLog(reading, writing, lambda: self._process.poll() is not None)

    @property
    def exit_status(self) -> int | None:
        status = super().exit_status
        return None if status == 255 and self.log.lost else status


class OpenSshLink:
    """A host that ssh reaches. The login is made by the first command, and by each one anew."""

    def __init__(self, host: Host, deadlines: Deadlines, rungs: dict[str, float], era: Era) -> None:
        self.rungs = rungs
        self.notices: tuple[str, ...] = ()
        self.address: str | None = None
        self._host = host
        self._deadlines = deadlines
        self._until = time.monotonic() + deadlines.whole
        self._era = era

    @contextlib.contextmanager
    def converse(self, command: str) -> Iterator[Conversation]:
        first = "session" not in self.rungs
        until = self._until if first else time.monotonic() + self._deadlines.whole
        try:
            talk = SshTalk(self._host, self._deadlines, command)
        except OSError as error:
            raise LinkError("connect", f"ssh cannot be started: {error.strerror}") from None
        try:
            with self._era.closing("session", talk.kill):
                self._log_in(talk, until, self.rungs if first else {})
                yield talk
        finally:
            talk.close()

    def _log_in(self, talk: SshTalk, until: float, rungs: dict[str, float]) -> None:
        try:
            talk.log.wait(self._deadlines, until, rungs)
            self.address = talk.log.address
        except LinkError as error:
            self._era.check(error.rung)
            # A bastion's ssh speaks on standard error.
            said = talk.read(time.monotonic() + 0.1)[1] if talk.log.closed else b""
            raise talk.log.failure(error, said, of_host_key=_why_checked(self._host)) from None

    def run(self, command: str, *, input: bytes = b"", seconds: float, at_most: int = 2**21) -> Completed:
        return run(self, command, input=input, seconds=seconds, at_most=at_most)


def _why_checked(host: Host) -> str:
    """What to say besides of a host key that ssh refused, where ssh was asked to be stricter than it may be set to."""
    if _checking(host) == host.host_key_checking:
        return ""
    match host.host_key_checking:
        case "accept-new":
            return "accept-new is never used with a password"
        case "off":
            return "no password is sent to it"
        case _:
            return "no key is taken on trust where a password goes"


@contextlib.contextmanager
def open_openssh(host: Host, deadlines: Deadlines, rungs: dict[str, float]) -> Iterator[Link]:
    """The link to `host` by ssh. Raises `LinkError` for what ssh will not do here."""
    if host.password:
        raise LinkError(
            "authentication", "the OpenSSH link takes no login password: use a key, or --connection=paramiko"
        )
    if not shutil.which("ssh"):
        raise LinkError("connect", "there is no ssh on this machine: install openssh-client, or --connection=paramiko")
    yield OpenSshLink(host, deadlines, rungs, current())
