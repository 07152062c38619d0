"""Programs that make a lab and are killed in it: what they made ends with them.

In: a program's text, which prints its lab's directory and processes on one line and waits. Out: the directory's path.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from lab import wait_until
from lab.leftovers import clean

ROOT = Path(__file__).parents[2]


def killed(maker: str, how: signal.Signals, meanwhile: Callable[[Sequence[str]], object] = bool) -> Path:
    """Run `maker`, look at its processes `meanwhile`, and end it by `how`: all of them end, and nothing is left."""
    with subprocess.Popen(
        [sys.executable, "-c", maker],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    ) as program:
        assert program.stdout is not None
        directory, *pids = program.stdout.readline().split()
        assert all(Path(f"/proc/{pid}").exists() for pid in pids)
        meanwhile(pids)
        program.send_signal(how)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), within=5, what="the lab's end")
    clean()
    assert not Path(directory).exists()
    return Path(directory)
