"""A server that runs on a host until it is asked to end, is proved to serve what it should, or says why not.

In: a host, a command, the directory that is the server's own. Out: a `Daemon`.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from lab.errors import LabError
from lab.host import LabHost, Running
from lab.pki.client import endpoint, seen
from lab.pki.issuing import Issued
from lab.waiting import wait_until

BOTH = ("0.0.0.0", "::")
"""Every address of a host, of both families."""
_LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""By which a host reaches what listens there."""
_SECONDS = 10


@dataclass(frozen=True)
class Daemon:
    """A running server."""

    host: LabHost
    process: Running = field(repr=False)
    complaints: str
    """The path, on the host, of what it wrote."""

    def hang_up(self) -> None:
        """SIGHUP: take what is on disk."""
        self.process.signal(signal.SIGHUP)

    def wait_for(self, fact: Callable[[], bool], what: str) -> None:
        """Wait for a fact; when it does not come, or the server ends, the error has what the server wrote."""
        try:
            wait_until(lambda: fact() or self.process.ended, within=_SECONDS, what=what)
        except LabError as error:
            raise LabError(f"{self.host.name}: {error}: {self._wrote()}") from error
        if self.process.ended:
            raise LabError(f"{self.host.name}: the server ended before {what} was there: {self._wrote()}")

    def _wrote(self) -> str:
        return self.host.run(["tail", "-n", "5", self.complaints], check=False).stdout.strip() or "it wrote nothing"

    def prove(
        self, chain: Sequence[Issued], addresses: Sequence[str], port: int, *, name: str = "", starttls: str = ""
    ) -> None:
        """Wait until exactly this chain is served at each address that is listened at."""
        wanted = [one.certificate for one in chain]
        for address in (_LOCAL.get(address, address) for address in addresses):

            def serves(to: str = address) -> bool:
                return list(seen(self.host, to, port, name=name, starttls=starttls).chain) == wanted

            self.wait_for(serves, f"the certificate of {endpoint(address, port)}")


@contextmanager
def daemon(
    host: LabHost, directory: str, command: Sequence[str], end: signal.Signals = signal.SIGKILL
) -> Iterator[Daemon]:
    """While inside, a server runs whose directory this is."""
    complaints = f"{directory}/complaints"
    with host.background(["sh", "-c", 'exec "$@" >"$0" 2>&1', complaints, *command], end=end) as process:
        yield Daemon(host, process, complaints)


@contextmanager
def directory(host: LabHost, path: str) -> Iterator[None]:
    """While inside, the host has a directory."""
    host.run(["mkdir", path])
    try:
        yield
    finally:
        host.run(["rm", "-r", path])


def need(command: str) -> None:
    """Say what is not installed here, and so not on the hosts."""
    if not shutil.which(command):
        raise LabError(f"the lab needs {command}: see selftest/packages.txt")
