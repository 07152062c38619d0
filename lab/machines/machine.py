"""One machine of a lab: commands and files on it, over a side channel that is neither its network nor its sshd."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from signal import SIGKILL, Signals

from lab.host import LabHost
from lab.machines.channel import Channel

_END_SECONDS = 5.0


@dataclass(frozen=True)
class Machine(LabHost):
    """A host with a kernel of its own."""

    channel: Channel = field(kw_only=True, repr=False)

    def run(
        self, command: Sequence[str], *, check: bool = True, input: str = "", seconds: float = 20.0
    ) -> subprocess.CompletedProcess[str]:
        told = self.channel.ask("run", command=[*command], input=input, seconds=seconds, within=seconds)
        match told:
            case {"status": int(status), "stdout": str(stdout), "stderr": str(stderr)}:
                done = subprocess.CompletedProcess([*command], status, stdout, stderr)
            case _:
                raise subprocess.TimeoutExpired([*command], seconds)
        return self._checked(command, done) if check else done

    @contextmanager
    def background(self, command: Sequence[str], *, end: Signals = SIGKILL) -> Iterator[Started]:
        started = Started(self.channel, int(str(self.channel.ask("start", command=[*command])["pid"])))
        try:
            yield started
        finally:
            if not started.end(end, _END_SECONDS):
                started.end(SIGKILL, _END_SECONDS)


@dataclass(frozen=True)
class Started:
    """A command that was started on a machine."""

    channel: Channel
    pid: int
    """As the machine numbers it."""

    @property
    def ended(self) -> bool:
        return self.channel.ask("ended", pid=self.pid)["ended"] is True

    def signal(self, how: Signals) -> None:
        self.channel.ask("signal", pid=self.pid, how=int(how))

    def end(self, how: Signals, seconds: float) -> bool:
        """Send a signal, and wait so long; whether it is gone."""
        return self.channel.ask("end", pid=self.pid, how=int(how), seconds=seconds, within=seconds)["gone"] is True
