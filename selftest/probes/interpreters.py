"""The Pythons on this machine that a host might have, and a conversation with one of them over the probes' wire."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from shipworthy.probes import runtime

NONCE = "0123abcd"
MARKER = re.compile(rf"SHIPWORTHY-{NONCE} magic ([0-9a-f]{{8}})\n".encode())
"""Of a Python that can be used."""


@cache
def interpreters() -> tuple[str, ...]:
    """Every Python 3.6 or newer here: in PATH, in /usr/libexec, and pyenv's."""
    places = (*os.get_exec_path(), "/usr/bin", "/usr/libexec")
    folders = [Path(place) for place in places if not place.endswith("/shims")]  # pyenv's, which only point on
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders += sorted(pyenv.glob("*/bin"))
    found: dict[str, str] = {}
    for folder in folders:
        for file in sorted(folder.glob("python3*")) + sorted(folder.glob("platform-python")):
            if re.fullmatch(r"python3(\.\d+)?|platform-python", file.name):
                version = version_of(file)
                if version and tuple(int(part) for part in version.split(".")[:2]) >= (3, 6):
                    found.setdefault(version, str(file))
    return tuple(found[version] for version in sorted(found, key=lambda text: [int(part) for part in text.split(".")]))


def version_of(python: Path) -> str:
    """The interpreter's version; empty when it is none that runs."""
    said = subprocess.run([python, "-I", "-S", "-V"], capture_output=True, text=True, timeout=20, check=False)
    match = re.fullmatch(r"Python (\d+\.\d+\.\d+)\n", said.stdout)
    return match.group(1) if match else ""


def request(
    probes: Mapping[str, Mapping[str, Any]], window: float = 0.05, long_window: float = 0.1, deadline: float = 20.0
) -> bytes:
    """A request document as a block of the wire."""
    document = {"probes": probes, "window": window, "long_window": long_window, "deadline": deadline}
    return runtime.block(json.dumps(document).encode())


@contextmanager
def started(python: str | None, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The loader, running on `python`, nothing sent yet."""
    command = runtime.shell_command(python, NONCE)
    arguments = [shutil.which("sh") or "sh", "-c", command]
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, stdin=pipe, stdout=pipe, stderr=pipe, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def told_magic(process: subprocess.Popen[bytes]) -> str:
    """What the marker line of a started loader says of its Python's bytecode."""
    assert process.stdout
    found = MARKER.fullmatch(process.stdout.readline())
    assert found, "no marker"
    return found[1].decode()


def answer(
    python: str | None, probes: Mapping[str, Mapping[str, Any]], *, source: bool = False, **options: Any
) -> tuple[bytes, bytes, int]:
    """(stdout after the marker, stderr, exit status) of a whole conversation, as a link has it.

    Standard input stays open to its end. A Python of our own kind is sent bytecode, unless it is to be `source`.
    """
    with started(python, **options.pop("process", {})) as process:
        assert process.stdin and process.stdout and process.stderr
        magic = told_magic(process)
        process.stdin.write(runtime.bundle(probes, "" if source else magic) + request(probes, **options))
        process.stdin.flush()
        stdout, stderr = process.stdout.read(), process.stderr.read()
        return stdout, stderr, process.wait(20)
