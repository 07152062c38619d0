"""One host of a lab, seen from outside: commands and files in its namespaces, not over SSH.

In: the process that is PID 1 there. Out: what a test needs to break it and to see that it is broken.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

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


@dataclass(frozen=True)
class LabHost:
    """A running lab host."""

    name: str
    address: str
    address6: str
    init: int = field(repr=False)
    """The host's PID 1, as this machine numbers it."""
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

    @property
    def _enter(self) -> list[str]:
        namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--wd=/"]
        groups = str(self.directory / self.name / "cgroups")
        return ["sh", "-c", _JOIN, groups, "nsenter", f"--target={self.init}", *namespaces, "--"]

    def run(
        self, command: Sequence[str], *, check: bool = True, input: str = "", seconds: float = 20.0
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` on the host as root; with `check`, anything but exit status 0 is a LabError."""
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
        if check and done.returncode:
            raise LabError(f"{self.name}: {' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
        return done

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

    @contextmanager
    def background(
        self, command: Sequence[str], *, end: signal.Signals = signal.SIGKILL
    ) -> Iterator[subprocess.Popen[bytes]]:
        """While inside, `command` runs on the host; it dies with its starter, or with the host.

        `end` is how it is ended: one that has processes of its own must be asked to end them.
        """
        with subprocess.Popen(
            [*self._enter, "setpriv", "--pdeathsig=KILL", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                end_child(process, end)

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


def end_child(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGKILL) -> None:
    """End what nsenter started, by its number, so that nsenter itself sees it end; no zombie stays on the host."""
    signal_child(process, how)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()


def signal_child(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Send a signal to what nsenter started, if it still runs: nsenter ends with it."""
    if process.poll() is not None:
        return
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        os.kill(int(child), how)
