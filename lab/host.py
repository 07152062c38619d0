"""One host of a lab, seen from outside: commands and files on it, not over SSH.

In: the process that it is. Out: what a test needs to break it and to see that it is broken. `LabHost` is what every
host can, be it made of namespaces (`NamespaceHost`) or a machine with a kernel of its own (`lab.machines.Machine`).
"""

from __future__ import annotations

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lab.errors import LabError
from lab.here import Here

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
_JOIN = """
while read -r group _; do
    [ ! -d "$group/init" ] || group=$group/init
    echo 0 >"$group/cgroup.procs"
done <"$0"
exec "$@"
"""
"""Enter a host's control groups first, from outside, where they have a name."""


class Running(Protocol):
    """A command that was started on a host."""

    @property
    def ended(self) -> bool: ...

    def signal(self, how: signal.Signals) -> None:
        """Send it a signal, if it still runs."""


@dataclass(frozen=True)
class LabHost(ABC):
    """A running lab host."""

    name: str
    address: str
    address6: str
    init: int = field(repr=False)
    """The host's PID 1, or the process that a machine runs in, as this machine numbers it."""
    directory: Path = field(repr=False)
    """The lab's: its keys and known_hosts."""
    here: Here = field(repr=False)
    """Where the host is reached from."""
    port: int = 22
    user: str = "root"

    @property
    def private_key(self) -> Path:
        """Lets root and deploy in."""
        return self.directory / "key"

    @property
    def known_hosts(self) -> Path:
        """The lab's host keys, as they were made."""
        return self.directory / "known_hosts"

    @abstractmethod
    def run(
        self, command: Sequence[str], *, check: bool = True, input: str = "", seconds: float = 20.0
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` on the host as root; with `check`, anything but exit status 0 is a LabError.

        Raises `subprocess.TimeoutExpired` when it takes more than `seconds`.
        """

    @abstractmethod
    def background(
        self, command: Sequence[str], *, end: signal.Signals = signal.SIGKILL
    ) -> AbstractContextManager[Running]:
        """While inside, `command` runs on the host; it dies with the host.

        `end` is how it is ended: one that has processes of its own must be asked to end them.
        """

    def login(
        self, *command: str, user: str | None = None, address: str | None = None, seconds: float = 20.0
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` over SSH as a person would, from here; exit status 255 is ssh's own failure."""
        options = ["-F", "none", "-i", str(self.private_key), "-o", f"UserKnownHostsFile={self.known_hosts}"]
        options += ["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]
        target = f"{user or self.user}@{address or self.address}"
        return self.here.run(["ssh", *options, target, *command], check=False, seconds=seconds)

    def shell(self, script: str, *, check: bool = True, seconds: float = 20.0) -> str:
        """Run a line of POSIX shell on the host; its standard output."""
        return self.run(["sh", "-c", script], check=check, seconds=seconds).stdout

    def read(self, path: str) -> str:
        """The text of a file on the host."""
        return self.run(["cat", path]).stdout

    def write(self, path: str, text: str, *, mode: str = "644") -> None:
        """Make a file on the host say `text`; its directory is made too. A file that is there is rewritten in place."""
        script = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"'
        self.run(["sh", "-c", script, "sh", path, mode], input=text)

    def exists(self, path: str) -> bool:
        return self.run(["test", "-e", path], check=False).returncode == 0

    def processes(self) -> dict[int, str]:
        """The host's processes: command line by process number, both as the host sees them."""
        listed = self.run(["ps", "-eo", "pid=,args="]).stdout.splitlines()
        return {int(pid): arguments for pid, _, arguments in (line.strip().partition(" ") for line in listed)}

    def inventory_vars(self) -> dict[str, object]:
        """What an Ansible inventory must say to log in here as root."""
        return {
            "ansible_host": self.address,
            "ansible_port": self.port,
            "ansible_user": self.user,
            "ansible_ssh_private_key_file": str(self.private_key),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self.known_hosts}",
        }

    def _checked(
        self, command: Sequence[str], done: subprocess.CompletedProcess[str]
    ) -> subprocess.CompletedProcess[str]:
        if done.returncode:
            raise LabError(f"{self.name}: {' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
        return done


@dataclass(frozen=True)
class NamespaceHost(LabHost):
    """A host that is made of namespaces."""

    @property
    def _enter(self) -> list[str]:
        namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--wd=/"]
        groups = str(self.directory / self.name / "cgroups")
        return ["sh", "-c", _JOIN, groups, "nsenter", f"--target={self.init}", *namespaces, "--"]

    def run(
        self, command: Sequence[str], *, check: bool = True, input: str = "", seconds: float = 20.0
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self._enter, *command],
            input=input,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=seconds,
            env=ENVIRONMENT,
            check=False,
        )
        return self._checked(command, done) if check else done

    @contextmanager
    def background(self, command: Sequence[str], *, end: signal.Signals = signal.SIGKILL) -> Iterator[Running]:
        with subprocess.Popen(
            [*self._enter, "setpriv", "--pdeathsig=KILL", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            start_new_session=True,
        ) as process:
            try:
                yield Entered(process)
            finally:
                _end(process, end)


@dataclass(frozen=True)
class Entered:
    """What nsenter started: signals go to it, by its number, so that nsenter itself sees it end; no zombie stays."""

    process: subprocess.Popen[bytes]

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def signal(self, how: signal.Signals) -> None:
        if self.ended:
            return
        for child in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            os.kill(int(child), how)


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    Entered(process).signal(how)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
