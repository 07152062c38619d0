"""Real SSH servers on loopback, each with its own keys and log, and everything that is wrong with servers.

test ── 127.0.0.1 / ::1 : port ──> sshd (this machine's, as root, no PAM, keys only)
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from shipworthy.errors import LinkError
from shipworthy.inventory import Host
from shipworthy.links import Deadlines, Link, open_link

SSHD = "/usr/sbin/sshd"
PATIENT = Deadlines(connect=60.0, banner=120.0, authentication=120.0, whole=240.0)
"""For a machine on which everything takes long. A test that is of one deadline shortens that one, and no other."""
SOON = 30.0
"""Seconds that show what ended something: its own deadline is far below, and whatever it would wait for far above."""

_SETUP = """
set -e
mount --make-rprivate /
mkdir -p "$1/sudoers.d"
mount --bind "$1/sudoers.d" /etc/sudoers.d
for file in passwd shadow; do
    cp -a "/etc/$file" "$1/$file"
    mount --bind "$1/$file" "/etc/$file"
done
for user in asks passwordless denied; do
    echo "$user:x:$((4242 + ${#user})):65534::/tmp:/bin/sh" >> /etc/passwd
    echo "$user:$2:19000:0:99999:7:::" >> /etc/shadow
done
printf 'asks ALL=(ALL) ALL\\npasswordless ALL=(ALL) NOPASSWD: ALL\\n' > /etc/sudoers.d/shipworthy
chmod 440 /etc/sudoers.d/shipworthy
shift 2
exec "$@"
"""


def with_users(folder: Path, password: str) -> list[str]:
    """A command that runs another one in a place where /etc, with files of `folder`, knows users with `password`."""
    return ["unshare", "-m", "/bin/sh", "-c", _SETUP, "setup", str(folder), _hashed(password)]


@functools.cache
def _hashed(password: str) -> str:
    command = ["openssl", "passwd", "-6", "-stdin"]
    return subprocess.run(command, input=password, capture_output=True, text=True, check=True).stdout.strip()


def wait_until(fact: Callable[[], object], *, what: str, within: float = SOON) -> None:
    until = time.monotonic() + within
    while not fact():
        assert time.monotonic() < until, f"{what} within {within} s"
        time.sleep(0.005)


def keygen(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    bits = ("-b", "2048") if kind == "rsa" else ()
    subprocess.run(
        # A short RSA key and one round against guessing: keys for minutes are to be made quickly.
        ["ssh-keygen", "-q", "-t", kind, *bits, "-a", "1", "-N", passphrase, "-C", "", "-f", str(path)],
        check=True,
        capture_output=True,
    )
    return path


@dataclass
class Server:
    """One sshd."""

    folder: Path
    port: int
    address: str = "127.0.0.1"
    pid: int = field(default=0)

    @property
    def host_key(self) -> str:
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def known_as(self, name: str) -> str:
        return f"{name} {self.host_key}\n"


def free_port() -> int:
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def sshd(folder: Path, authorized: Path, *lines: str, inside: Sequence[str] = ()) -> Iterator[Server]:
    """An sshd with these lines of configuration before its own; gone at the end, with all its sessions.

    `inside` is a command that runs another one, in a place of its own.
    """
    folder.mkdir(parents=True)
    keygen(folder / "host_key")
    server = Server(folder, free_port())
    config = [
        *lines,
        f"Port {server.port}",
        "ListenAddress 127.0.0.1",
        "ListenAddress ::1",
        f"HostKey {folder}/host_key",
        f"AuthorizedKeysFile {authorized}",
        f"PidFile {folder}/pid",
        "PermitRootLogin yes",
        "UsePAM no",
        "StrictModes no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "MaxStartups 100",
        "LogLevel VERBOSE",
    ]
    (folder / "config").write_text("\n".join(config) + "\n")
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([*inside, SSHD, "-D", "-f", str(folder / "config"), "-E", str(folder / "log")])
    server.pid = process.pid
    try:
        wait_until(lambda: banner(server.port), within=SOON, what=f"sshd's banner; {folder}/log")
        yield server
    finally:
        for child in children(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        process.kill()
        process.wait()


def children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # What is before the bracket is a name, which may be any bytes.
            if int(stat.read_bytes().rpartition(b")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


@contextlib.contextmanager
def stalled(server: Server) -> Iterator[None]:
    """All sessions of `server` stand still; whichever ends meanwhile has ended."""
    sessions = [pid for child in children(server.pid) for pid in (child, *children(child))]

    def tell(number: signal.Signals) -> None:
        for pid in sessions:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    tell(signal.SIGSTOP)
    try:
        yield
    finally:
        tell(signal.SIGCONT)


def resident_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def banner(port: int) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as opened:
            return opened.recv(4)
    except OSError:
        return b""


@contextlib.contextmanager
def tcp_server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port whose every connection is given to `serve`, and held open until the end."""
    with socket.create_server(("127.0.0.1", 0)) as listening, contextlib.ExitStack() as held:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    opened = held.enter_context(listening.accept()[0])
                    with contextlib.suppress(OSError):
                        serve(opened)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(5)


@dataclass(frozen=True)
class Lab:
    """A user with a key and a server that knows it."""

    home: Path
    key: Path
    server: Server

    def host(self, **changes: object) -> Host:
        host = Host(
            name="db1",
            address="127.0.0.1",
            port=self.server.port,
            user="root",
            private_key_file=str(self.key),
        )
        return replace(host, **changes)  # type: ignore[arg-type]

    def openssh(self, **changes: object) -> Host:
        """The same by ssh, which looks for its files in root's real home."""
        options = (("userknownhostsfile", str(self.home / ".ssh/known_hosts")),)
        return self.host(**({"connection": "openssh", "ssh_options": options} | changes))


def fail(
    host: Host, deadlines: Deadlines = PATIENT, command: str = "true"
) -> tuple[LinkError, dict[str, float], float]:
    """Open a link that must not open: its error, the rungs climbed, and how long it took."""
    rungs: dict[str, float] = {}
    begun = time.monotonic()
    with pytest.raises(LinkError) as caught, open_link(host, deadlines, rungs) as link:
        link.run(command, seconds=120)
    return caught.value, rungs, time.monotonic() - begun


def say(link: Link, command: str, seconds: float = 120) -> str:
    done = link.run(command, seconds=seconds)
    assert done.exit_status == 0, done
    return done.stdout.decode().strip()
