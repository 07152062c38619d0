"""known_hosts: which host keys are known for a name, where they stand, and adding one.

Read as OpenSSH does: lists, `*` and `?`, negation, hashed names, `[host]:port`, `@revoked`. `@cert-authority` lines are
seen but not followed: paramiko knows no host certificates.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import hmac
import os
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """One line of a known_hosts file."""

    place: str
    """`/root/.ssh/known_hosts:7`"""
    marker: str
    """Empty, `@revoked` or `@cert-authority`."""
    names: str
    kind: str
    key: bytes

    def speaks_of(self, name: str) -> bool:
        if self.names.startswith("|1|"):
            return _is_hash_of(self.names, name)
        matched = False
        for pattern in self.names.split(","):
            if _pattern(pattern.removeprefix("!").lower()).fullmatch(name):
                if pattern.startswith("!"):
                    return False
                matched = True
        return matched


def fingerprint(key: bytes) -> str:
    """As ssh-keygen -l prints it: `SHA256:…`."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def host_name(address: str, port: int) -> str:
    """What known_hosts calls a host: `[address]:port`, or the address alone on port 22."""
    return address.lower() if port == 22 else f"[{address.lower()}]:{port}"


def entries_for(files: Iterable[Path], names: Iterable[str]) -> list[Entry]:
    """Every line of `files` that speaks of the first of `names` that any line (other than a CA's) speaks of."""
    lines = [entry for file in files for entry in read(file)]
    for name in names:
        found = [entry for entry in lines if entry.speaks_of(name)]
        if any(entry.marker != "@cert-authority" for entry in found):
            return found
    return []


def authority_for(files: Iterable[Path], names: Iterable[str]) -> Entry | None:
    """A certificate authority's line that speaks of one of `names`."""
    named = tuple(names)
    authorities = (entry for file in files for entry in read(file) if entry.marker == "@cert-authority")
    return next((entry for entry in authorities if any(map(entry.speaks_of, named))), None)


def read(file: Path) -> tuple[Entry, ...]:
    """The entries of one file; one that is not there, or may not be read, has none."""
    try:
        stamp = file.stat()
        return _read(file, stamp.st_mtime_ns, stamp.st_size)
    except OSError:
        return ()


_adding = threading.Lock()


def add(file: Path, name: str, kind: str, key: bytes, *, hashed: bool) -> None:
    """Append one key; raises OSError."""
    line = f"{_hash(name) if hashed else name} {kind} {base64.b64encode(key).decode()}\n"
    with _adding:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            unfinished = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, (b"\n" if unfinished else b"") + line.encode())
        finally:
            os.close(descriptor)


@functools.lru_cache(maxsize=64)
def _read(file: Path, changed: int, size: int) -> tuple[Entry, ...]:  # noqa: ARG001 they are the cache's key
    lines = enumerate(file.read_text(errors="replace").splitlines(), 1)
    return tuple(entry for number, line in lines if (entry := _parse(line, f"{file}:{number}")))


def _parse(line: str, place: str) -> Entry | None:
    """One line; None for a comment, or for what OpenSSH too would pass over."""
    fields = line.split()
    if not fields or fields[0].startswith("#"):
        return None
    marker = fields.pop(0) if fields[0].startswith("@") else ""
    if len(fields) < 3 or marker not in ("", "@revoked", "@cert-authority"):
        return None
    try:
        return Entry(place, marker, fields[0], fields[1], base64.b64decode(fields[2], validate=True))
    except binascii.Error:
        return None


@functools.lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."))


def _is_hash_of(hashed: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in hashed.split("|")[2:4])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest)


def _hash(name: str) -> str:
    salt = os.urandom(20)
    parts = (base64.b64encode(part).decode() for part in (salt, hmac.digest(salt, name.encode(), "sha1")))
    return "|1|" + "|".join(parts)
