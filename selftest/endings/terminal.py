"""A run as a person sees it: on a terminal of its own.

In: a lab, pytest's arguments. Out: the exit status, the bytes that the terminal was sent, and what stood on it.
"""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from lab import Lab, write_inventory
from selftest.scenarios.suite import ROOT

COLUMNS = 100


class OnTerminal(NamedTuple):
    """A finished run, and what its terminal got."""

    status: int
    sent: bytes

    @property
    def screen(self) -> list[str]:
        """The lines as they stand at the end, without colours: a carriage return goes back to the line's beginning."""
        lines = []
        for line in _without_colours(self.sent.decode()).split("\n"):
            shown = ""
            for part in line.split("\r"):
                shown = part + shown[len(part) :]
            lines.append(shown.rstrip())
        return lines


def _without_colours(text: str) -> str:
    head, *rest = text.split("\x1b[")
    return head + "".join(part.partition("m")[2] for part in rest)


def on_terminal(
    lab: Lab,
    *arguments: str,
    cwd: Path = ROOT,
    meanwhile: Callable[[subprocess.Popen[bytes], bytes], None] | None = None,
) -> OnTerminal:
    """Run the suite there; `meanwhile` is called with the process and all that was sent so far, at every piece."""
    home = Path(tempfile.mkdtemp(prefix="terminal-", dir=lab.directory))
    inventory = write_inventory(lab, home)
    command = [sys.executable, "-m", "pytest", f"--inventory={inventory}", f"--reports={home / 'reports'}"]
    seen = {"TERM": "xterm", "COLUMNS": str(COLUMNS), "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}
    ours, its_own = pty.openpty()
    with subprocess.Popen(
        lab.here.command([*command, "-p", "no:cacheprovider", *arguments]),
        stdin=subprocess.DEVNULL,
        stdout=its_own,
        stderr=its_own,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(home), **seen},
    ) as process:
        os.close(its_own)
        sent = b""
        while piece := _read(ours):
            sent += piece
            if meanwhile:
                meanwhile(process, sent)
    os.close(ours)
    return OnTerminal(process.returncode, sent)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 2**16)
    except OSError:  # the other end is closed: so Linux tells it
        return b""
