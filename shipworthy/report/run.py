"""The directory of one run and the files written while it goes: results.jsonl, run.log, run.json.

In: where reports go and what time it is. Out: private files (0700, 0600), replaced atomically, that a reader finds
whole at any moment. Several runs may share one reports directory.
"""

from __future__ import annotations

import errno
import getpass
import hashlib
import json
import os
import platform
import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

from shipworthy.errors import UsageError
from shipworthy.results import Result, to_line

SCHEMA = 1
Status = Literal["running", "finished", "interrupted", "broken"]

_PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_RESERVED = frozenset({"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)})


def stamp(at: datetime) -> str:
    """UTC, RFC 3339 with milliseconds and `Z`: how every file of a run writes a time."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def file_name(host: str, suffix: str = "") -> str:
    """A host's name as a file name, the same in every run, different for different hosts on any file system.

    Plain lower-case names stay as they are. Every other (a slash, `..`, capitals, 300 characters) becomes what is
    plain of it, `~` and a digest.
    """
    if _PLAIN_NAME.fullmatch(host) and not host.endswith(".") and host.partition(".")[0] not in _RESERVED:
        return host + suffix
    digest = hashlib.sha256(host.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    plain = re.sub(r"[^a-z0-9_-]+", "-", host.lower())[:40].strip("-")
    return f"{plain or 'host'}~{digest}{suffix}"


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A private file to write that takes `path`'s place when the block is left well, and vanishes when it is not."""
    draft = path.with_name(f".{path.name[:80]}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with open(draft, "xb", opener=_private) as file:
            yield file
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def replace_file(path: Path, data: bytes) -> None:
    """Write `data` to `path` at once: a reader sees the old file or the new one."""
    with replacing(path) as file:
        file.write(data)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@dataclass(frozen=True)
class RunFacts:
    """run.json: when, by whom, what was asked, and how it ended. Written at the start and again at the end."""

    run: str
    started: str
    status: Status = "running"
    finished: str | None = None
    seconds: float | None = None
    by: str = ""
    """`root@ci-runner-3`: who ran it, where."""
    arguments: tuple[str, ...] = ()
    inventories: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    limit: str | None = None
    hosts: tuple[str, ...] = ()
    selected: int = 0
    """How many checks were selected; those that did not finish are named in `not_run`."""
    not_run: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    """What the run had to say of its own input: a pattern that matches no host, an expired waiver."""
    replay_of: str | None = None
    commit: str | None = None
    seed: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    exit_status: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    """What only machines read: effective policies, hashes, requests."""
    schema: int = SCHEMA


def who() -> str:
    """`user@machine`, as far as the system knows."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's uid without an entry in passwd
        user = str(os.getuid())
    return f"{user}@{platform.node()}"


@dataclass(frozen=True)
class RunDirectory:
    """One run's own directory inside the reports directory."""

    path: Path

    @classmethod
    def create(cls, reports: Path, now: datetime) -> RunDirectory:
        """Make `reports/<run>`; raises UsageError naming the place when nothing can be written there."""
        day = now.astimezone(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
        try:
            _make_private(reports)
            for _ in range(100):
                path = reports / f"{day}-{secrets.token_hex(2)}"
                with suppress(FileExistsError):
                    path.mkdir(mode=0o700)
                    return cls(path)
        except OSError as error:
            reason = "a file is in the way" if _is_in_the_way(error) else error.strerror or str(error)
            raise UsageError.at(str(error.filename or reports), f"reports cannot be written here: {reason}") from error
        raise UsageError.at(str(reports), f"a hundred runs are named {day}-… already")

    @property
    def run(self) -> str:
        return self.path.name

    @property
    def results(self) -> Path:
        return self.path / "results.jsonl"

    @property
    def snapshots(self) -> Path:
        return self.path / "snapshots"

    def snapshot(self, host: str) -> Path:
        """Where `host`'s snapshot goes; its directory exists."""
        self.snapshots.mkdir(mode=0o700, exist_ok=True)
        return self.snapshots / file_name(host, ".json.gz")

    def write_facts(self, facts: RunFacts) -> None:
        text = json.dumps(asdict(facts), indent=1, ensure_ascii=True, allow_nan=False)
        replace_file(self.path / "run.json", text.encode() + b"\n")

    def point_latest(self) -> str:
        """Let `latest` name this run unless it names a newer one; returns why it could not, or nothing.

        Of runs that began in the same second, the one that ends last is the newest.
        """
        latest = self.path.parent / "latest"
        draft = self.path.parent / f".latest-{self.run}"
        try:
            if latest.is_symlink() and _second(latest.readlink().name) > _second(self.run):
                return ""
            draft.symlink_to(self.run, target_is_directory=True)
            draft.replace(latest)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            return f"{latest} does not name this run: {error.strerror or error}"
        return ""


def _second(run: str) -> str:
    return run.rpartition("-")[0]


def _make_private(directory: Path) -> None:
    """Like mkdir -p, with every directory that it makes closed to others."""
    if directory.is_dir():
        return
    if directory.parent != directory:
        _make_private(directory.parent)
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        if not directory.is_dir():
            raise


def _is_in_the_way(error: OSError) -> bool:
    return error.errno in {errno.EEXIST, errno.ENOTDIR}


class _LineFile:
    """A private file of its own to which whole lines are appended, each flushed, from any thread."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "xb", buffering=0, opener=_private)  # noqa: SIM115 (closed by close)
        self._lock = threading.Lock()

    def _write(self, line: str) -> None:
        data = line.encode("ascii") + b"\n"
        with self._lock:
            while data:  # a full disk or a signal may take a part only
                data = data[self._file.write(data) :]

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ResultLog(_LineFile):
    """results.jsonl: one line per finished check, as it happens."""

    def append(self, result: Result) -> None:
        self._write(to_line(result))


class RunLog(_LineFile):
    """run.log: one JSON line an event, numbered in the order of writing."""

    def __init__(self, path: Path, run: str) -> None:
        super().__init__(path)
        self._run = run
        self._number = 0
        self._numbering = threading.Lock()

    def event(
        self, level: Literal["debug", "info", "warning", "error"], event: str, host: str | None = None, **fields: object
    ) -> None:
        """Append one event; `fields` are what else belongs to it. What JSON does not know is written as its text."""
        with self._numbering:
            self._number += 1
            line = {"at": stamp(datetime.now(UTC)), "level": level, "run": self._run, "seq": self._number}
            self._write(json.dumps({**line, "host": host, "event": event, **fields}, default=str))
