"""A real swap file on this machine, for the one scenario that needs real swap; named after its lab, so it is found.

It is the only thing a lab does to the whole machine. A killed lab's swap file is switched off by the next lab.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError

_FOLDER = Path("/var/tmp")


@contextmanager
def swapfile(lab: str, mib: int) -> Iterator[Path]:
    """While inside, this machine swaps to a file of so many MiB; raises LabError where the kernel will not."""
    path = _path(lab)
    try:
        with path.open("wb") as file:
            path.chmod(0o600)
            for _ in range(mib):
                file.write(bytes(2**20))
        for command in (["mkswap", str(path)], ["swapon", str(path)]):
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
            if done.returncode:
                raise LabError(f"no real swap on this machine: {done.stderr.strip()}")
        yield path
    finally:
        remove(lab)


def remove(lab: str) -> None:
    """Switch off and remove the swap file of a lab, if there is one."""
    path = _path(lab)
    if any(line.startswith(f"{path} ") for line in Path("/proc/swaps").read_text().splitlines()):
        subprocess.run(["swapoff", str(path)], check=False, capture_output=True, timeout=60)
    path.unlink(missing_ok=True)


def _path(lab: str) -> Path:
    return _FOLDER / f"{lab}.swap"
