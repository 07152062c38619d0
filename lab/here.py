"""The place from which a lab's hosts are reached: its network, and otherwise this machine.

In: a command. Out: the same command, run where 10.77.0.0/24 is the lab's.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

_RESOLVING = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'


@dataclass(frozen=True)
class Here:
    """The lab's own network namespace, by the process `init` that keeps it."""

    init: int
    resolv_conf: Path | None = None
    """What commands find in /etc/resolv.conf, if not this machine's."""

    def command(self, command: Sequence[str]) -> list[str]:
        """`command` as it must be started; it dies with its starter, so nothing holds on to a lab that is gone."""
        enter = ["nsenter", f"--net=/proc/{self.init}/ns/net", "setpriv", "--pdeathsig=KILL", "--"]
        if self.resolv_conf:
            enter += ["unshare", "--mount", "sh", "-c", _RESOLVING, str(self.resolv_conf)]
        return [*enter, *command]

    def run(
        self,
        command: Sequence[str],
        *,
        check: bool = True,
        input: str = "",
        seconds: float = 20.0,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` here; with `check`, anything but exit status 0 is a LabError."""
        done = subprocess.run(
            self.command(command),
            input=input,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=seconds,
            env={**os.environ, **(env or {})},
            check=False,
        )
        if check and done.returncode:
            raise LabError(f"here: {' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
        return done
