"""Hosts on which a probe finds less than it is used to: no interpreter, an old one, nowhere to write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError
from lab.faults import NOTHING, confirm, fault, unreachable
from lab.host import LabHost

_PYTHON = "/usr/bin/python3"


@contextmanager
def _moved(host: LabHost, path: str) -> Iterator[None]:
    away = f"{path}.lab-moved"
    host.run(["mv", path, away])
    try:
        yield
    finally:
        host.run(["mv", away, path])


@fault(turns=unreachable)
def no_python(host: LabHost) -> Iterator[None]:
    """There is no python3 in any of the places where it is looked for."""
    with _moved(host, _PYTHON):
        confirm(host.login("command -v python3").returncode != 0, host, "a host without python3")
        yield


def old_python() -> Path | None:
    """A Python 3.6 of this machine's, as pyenv keeps them, or None."""
    return next(iter(sorted(Path.home().glob(".pyenv/versions/3.6.*/bin/python3.6"))), None)


@fault(turns=NOTHING)
def only_python_36(host: LabHost) -> Iterator[None]:
    """The host's only python3 is 3.6, as on RHEL 8. To be borne."""
    found = old_python()
    if found is None:
        raise LabError("this machine has no Python 3.6 in ~/.pyenv/versions")
    with _moved(host, _PYTHON):
        host.run(["ln", "-s", str(found), _PYTHON])
        try:
            said = host.login("python3 -V").stdout
            confirm(said.startswith("Python 3.6."), host, f"python3 is {said!r}")
            yield
        finally:
            host.run(["rm", _PYTHON])


@fault(turns=NOTHING)
def noexec_tmp(host: LabHost) -> Iterator[None]:
    """Nothing may be executed in /tmp and /var/tmp. To be borne."""
    folders = ("/tmp", "/var/tmp")
    for folder in folders:
        host.run(["mount", "-o", "remount,noexec", folder])
    try:
        refused = host.shell("cp /bin/true /tmp/t; /tmp/t; echo $?; rm /tmp/t")
        confirm(refused == "126\n", host, "executing in /tmp")
        yield
    finally:
        for folder in folders:
            host.run(["mount", "-o", "remount,exec", folder])


@fault(turns={"disks.space": "failed"})
def full_disk(host: LabHost) -> Iterator[None]:
    """Not a byte can be written to /, /tmp or /var/tmp. To be borne by what writes nothing, and told."""
    fillers = [f"{folder}/lab-filler" for folder in ("/srv", "/tmp", "/var/tmp")]
    try:
        for filler in fillers:
            host.shell(f"cat /dev/zero >{filler}", check=False)
            confirm(host.run(["cp", "/etc/passwd", f"{filler}-2"], check=False).returncode != 0, host, filler)
        yield
    finally:
        host.run(["rm", "-f", *fillers, *(f"{filler}-2" for filler in fillers)])


@fault(turns=NOTHING)
def read_only_root(host: LabHost) -> Iterator[None]:
    """The root, /tmp and /var/tmp were remounted read-only, as after a disk error. To be borne."""
    places = ("/", "/tmp", "/var/tmp")
    for place in places:
        host.run(["mount", "-o", "remount,ro", place])
    try:
        confirm(host.run(["touch", "/etc/x", "/tmp/x"], check=False).returncode != 0, host, "writing")
        yield
    finally:
        for place in places:
            host.run(["mount", "-o", "remount,rw", place])
