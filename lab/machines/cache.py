"""What is built once and kept: images and saved states, in the user's cache, by the hash of what they are of.

    ~/.cache/shipworthy-lab/        or below XDG_CACHE_HOME
      lock                          held by the one who builds, or removes
      IMAGE/                        vmlinuz, initramfs, root.img, keys
      IMAGE/state-QEMU-1/           root.qcow2, swap.qcow2, memory: the machine of the first place, saved
      building-…/                   what is not ready yet; of a builder that died, the next removes it

The two images that were used last are kept, an older one only while it is used.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

KEPT = 2
_BUILDING = "building-"


def folder() -> Path:
    """Where everything lies; it need not be there yet."""
    configured = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(configured) if configured.startswith("/") else Path.home() / ".cache") / "shipworthy-lab"


@contextmanager
def image(key: str, build: Callable[[Path], None]) -> Iterator[Path]:
    """The folder of the image `key`, made by `build` when it is not there; nobody removes it while inside."""
    with _one_builder():
        made = _made(folder() / key, build)
        os.utime(made)
        _remove_old(made)
        use = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(use, fcntl.LOCK_SH)
    try:
        yield made
    finally:
        os.close(use)


def states(wanted: Sequence[Path], build: Callable[[Mapping[Path, Path]], None]) -> None:
    """Have `build` make those folders that are not there yet, in one go: it gets, for each, the one to fill."""
    if all(path.is_dir() for path in wanted):
        return
    with _one_builder():
        fresh = {path: _fresh(path.parent) for path in wanted if not path.is_dir()}
        if fresh:
            build(fresh)
        for path, made in fresh.items():
            made.rename(path)


def clean() -> list[Path]:
    """Remove everything that nobody uses; what was removed."""
    if not folder().is_dir():
        return []
    with _one_builder():
        removed = [each for each in _images() if _remove_unused(each)]
        if not _images():
            shutil.rmtree(folder())
            removed.append(folder())
    return removed


def _made(path: Path, build: Callable[[Path], None]) -> Path:
    if not path.is_dir():
        fresh = _fresh(path.parent)
        build(fresh)
        fresh.rename(path)
    return path


def _fresh(where: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=_BUILDING, dir=where))


def _remove_old(used: Path) -> None:
    by_use = sorted((each for each in _images() if each != used), key=lambda each: each.stat().st_mtime, reverse=True)
    for each in by_use[KEPT - 1 :]:
        _remove_unused(each)


def _images() -> list[Path]:
    return [each for each in folder().iterdir() if each.is_dir()]


def _remove_unused(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextmanager
def _one_builder() -> Iterator[None]:
    """Wait for whoever builds; inside, what is half made is a dead builder's."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for half in (*folder().glob(f"{_BUILDING}*"), *folder().glob(f"*/{_BUILDING}*")):
            shutil.rmtree(half)
        yield
