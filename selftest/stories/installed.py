"""Shipworthy as a user has it: a wheel, installed in a virtual environment, nothing of the repository in reach.

In: an empty directory. Out: that environment's python. The libraries are borrowed from the environment of the tests.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from selftest.stories.user import ROOT

_SOURCE = ("pyproject.toml", "requirements.txt", "README.md", "LICENSE", "shipworthy", "tests")


def install(directory: Path) -> Path:
    """Install once, whichever process comes first; the environment's python."""
    python = directory / "venv" / "bin" / "python"
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "done").exists():
            _install(directory, python)
            (directory / "done").touch()
    return python


def _install(directory: Path, python: Path) -> None:
    source = directory / "source"  # building leaves traces beside the source
    for name in (name for name in _SOURCE if (ROOT / name).exists()):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        source.mkdir(exist_ok=True)
        copy(ROOT / name, source / name)
    _run("-m", "venv", "--without-pip", str(python.parents[1]))
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    # Not by --system-site-packages: the packages are those of a virtual environment, too. A path file inside of
    # theirs is not followed, so the repository itself, installed there to be edited, stays out of reach.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-build-isolation")
    _run(*pip, "--target", str(site), str(source))


def _run(*arguments: str) -> None:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
