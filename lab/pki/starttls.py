"""Servers that speak their own protocol first, and TLS when they are asked to: mail, and a database.

In: a host and a chain. Out: a `Starttls`, by which the certificate is renewed on disk, and taken by the server.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.daemon import Daemon, daemon, directory, need
from lab.errors import LabError
from lab.files import DEPLOY
from lab.host import LabHost
from lab.pki.files import Files, files
from lab.pki.issuing import Issued
from lab.pki.proving import BOTH, prove

_MAIL, _DATABASE = "/run/mail", "/run/postgresql"
_DEPLOY = [
    "env",
    "--chdir=/",
    "setpriv",
    f"--reuid={DEPLOY}",
    f"--regid={DEPLOY}",
    "--clear-groups",
    "--pdeathsig=KILL",
    "--",
]
"""PostgreSQL refuses to be root's, and wants a directory to be in."""
_INITDB = ["--no-sync", "--auth=trust", "--wal-segsize=1", "--locale=C", "--encoding=UTF8"]
_SETTINGS = {
    "listen_addresses": "0.0.0.0,::",
    "unix_socket_directories": _DATABASE,
    "fsync": "off",
    "shared_buffers": "1MB",
    "max_connections": "20",
    "ssl": "on",
}


@dataclass(frozen=True)
class Starttls:
    """A running server."""

    daemon: Daemon
    files: Files
    protocol: str
    """As openssl calls it."""
    port: int

    def renew(self, chain: Sequence[Issued]) -> None:
        """Another certificate: on disk only."""
        self.files.write(chain)

    def reload(self, chain: Sequence[Issued]) -> None:
        """Take what is on disk, which is this."""
        self.daemon.hang_up()
        self.prove(chain)

    def prove(self, chain: Sequence[Issued]) -> None:
        """It serves this chain over both families."""
        prove(self.daemon, chain, BOTH, self.port, starttls=self.protocol)


@contextmanager
def mail(host: LabHost, chain: Sequence[Issued]) -> Iterator[Starttls]:
    """While inside, the host takes mail on port 25."""
    need("aiosmtpd")
    program = Path(__file__).with_name("mailing.py").read_text()  # it cannot be imported here
    with directory(host, _MAIL), files(host, "mail", chain) as on_disk:
        command = ["/usr/bin/python3", "-I", "-c", program, on_disk.chain, on_disk.key]
        with daemon(host, _MAIL, command) as running:
            served = Starttls(running, on_disk, "smtp", 25)
            served.prove(chain)
            yield served


@contextmanager
def database(host: LabHost, chain: Sequence[Issued]) -> Iterator[Starttls]:
    """While inside, the host is a PostgreSQL server, on port 5432, with nothing in it."""
    programs, data = _programs(), f"{_DATABASE}/data"
    with directory(host, _DATABASE), _room(host), files(host, "postgres", chain, owner="deploy") as on_disk:
        settings = _SETTINGS | {"ssl_cert_file": on_disk.chain, "ssl_key_file": on_disk.key}
        words = [f"--{name}={value}" for name, value in settings.items()]
        host.run([*_DEPLOY, f"{programs}/initdb", "-D", data, "-U", "postgres", *_INITDB])
        command = [*_DEPLOY, f"{programs}/postgres", "-D", data, *words]
        with daemon(host, _DATABASE, command, signal.SIGQUIT) as running:
            served = Starttls(running, on_disk, "postgres", 5432)
            served.prove(chain)
            yield served


@contextmanager
def _room(host: LabHost) -> Iterator[None]:
    """A database does not fit into the host's own /run."""
    host.run(["mount", "-t", "tmpfs", "-o", f"mode=755,uid={DEPLOY},size=64m", "database", _DATABASE])
    try:
        yield
    finally:
        host.run(["umount", _DATABASE])


def _programs() -> Path:
    """Debian has them aside, by version: the newest."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not found:
        raise LabError("a database needs PostgreSQL: see selftest/packages.txt")
    return max(found, key=lambda path: int(path.parent.name))
