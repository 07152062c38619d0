"""A server that runs on a host until it is asked to end, or says why it does not.

In: a host, a command, the directory that is the server's own. Out: a `Daemon`.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from lab.errors import LabError
from lab.host import LabHost, Running
from lab.waiting import wait_until

_SECONDS = 10
NO_FILES: Mapping[str, str] = {}


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

    def wait_for(self, fact: Callable[[], object], what: str) -> None:
        """Wait for a fact; when it does not come, or the server ends, the error has what the server wrote."""
        try:
            wait_until(lambda: fact() or self.process.ended, within=_SECONDS, what=what)
        except LabError as error:
            raise LabError(f"{self.host.name}: {error}: {self._wrote()}") from error
        if self.process.ended:
            raise LabError(f"{self.host.name}: the server ended before {what} was there: {self._wrote()}")

    def _wrote(self) -> str:
        return self.host.run(["tail", "-n", "5", self.complaints], check=False).stdout.strip() or "it wrote nothing"


@contextmanager
def daemon(
    host: LabHost, directory: str, command: Sequence[str], end: signal.Signals = signal.SIGKILL
) -> Iterator[Daemon]:
    """While inside, a server runs whose directory this is."""
    complaints = f"{directory}/complaints"
    with host.background(["sh", "-c", 'exec "$@" >"$0" 2>&1', complaints, *command], end=end) as process:
        yield Daemon(host, process, complaints)


@contextmanager
def directory(host: LabHost, path: str, files: Mapping[str, str] = NO_FILES) -> Iterator[None]:
    """While inside, the host has a directory, with these files in it: text by name."""
    script = "".join(f"cat >'{path}/{name}' <<'END'\n{text}END\n" for name, text in files.items())
    host.run(["sh", "-e"], input=f"mkdir {path}\n{script}")
    try:
        yield
    finally:
        host.run(["rm", "-r", path])


def need(command: str) -> None:
    """Say what is not installed here, and so not on the hosts."""
    if not shutil.which(command):
        raise LabError(f"the lab needs {command}: see selftest/packages.txt")
