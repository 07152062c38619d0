"""What keeps a lab alive: one process, PID 1 in namespaces of its own, for as long as its maker holds its input.

In: the script that it runs. Out: a `Keeper`. When the maker ends, however it ends, the kernel closes the pipe, the
script ends, and the kernel ends everything below it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.host import ENVIRONMENT


@dataclass(frozen=True)
class Keeper:
    """A lab's process."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def init(self) -> int:
        """The lab's PID 1, as this machine numbers it; 0 while there is none. Raises LabError when it has ended."""
        if self.process.poll() is not None:
            raise LabError(f"the lab ended while it was built: {self.told}")
        return next(iter(children(self.process.pid)), 0)

    @property
    def told(self) -> str:
        """What it complained of."""
        lines = self.log.read_text(errors="replace").split("\n")
        return "; ".join(line for line in lines if line) or "it said nothing"


@contextmanager
def kept(script: Path, directory: Path, *arguments: str) -> Iterator[Keeper]:
    """Run `script` with the lab's directory and `arguments`, in network, mount and PID namespaces of its own."""
    log = directory / "log"
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", str(script)]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*command, str(directory), *arguments],
            stdin=subprocess.PIPE,
            stdout=errors,
            stderr=errors,
            env=ENVIRONMENT,
            start_new_session=True,
        )
    try:
        yield Keeper(process, log)
    finally:
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()  # unshare's --kill-child takes the lab's PID 1 along, and the kernel everything in it
            process.wait(5)


def children(pid: int) -> list[int]:
    """The processes that it started and that are there; none of one that is gone."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
