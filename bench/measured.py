"""A command, timed and weighed from outside: wall seconds, and the most memory that it and its children held at once.

In: an argument list. Out: `Measured`; a command that does not end as it should is an error with what it said.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_EVERY_SECONDS = 0.1


@dataclass(frozen=True)
class Measured:
    """One finished command."""

    seconds: float
    peak_mib: float
    """Of the process and all its children together, resident, sampled ten times a second."""
    output: str


def measured(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    allowed: Collection[int] = (0,),
    seconds: float = 300.0,
) -> Measured:
    """Run `command` to its end; raises RuntimeError for an exit status that is not `allowed`."""
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        scales = _Scales(process.pid)
        try:
            status = process.wait(seconds)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            taken = time.monotonic() - started
            peak = scales.stop()
        output.seek(0)
        told = output.read().decode("utf-8", "replace")
    if status not in allowed:
        raise RuntimeError(f"{' '.join(command)}: exit status {status}\n{told[-4000:]}")
    return Measured(taken, peak, told)


def median_of(times: int, run: Callable[[], Measured]) -> Measured:
    """The run of median time, of so many."""
    return sorted((run() for _ in range(times)), key=lambda one: one.seconds)[(times - 1) // 2]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


class _Scales:
    """Weighs a process and its children while they run."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._weigh, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        self._ended.set()
        self._thread.join()
        return self._peak

    def _weigh(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            self._peak = max(self._peak, sum(map(_resident_mib, _family(self._pid))))


def _family(pid: int) -> list[int]:
    found, wanted = [], [pid]
    while wanted:
        one = wanted.pop()
        found.append(one)
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                wanted += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def _resident_mib(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
