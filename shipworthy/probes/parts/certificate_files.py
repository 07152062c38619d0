"""Certificates on disk, and from outside the keys that belong to them.

In: paths and globs, each with its key's. Out: `File`s. All is read in one child with a deadline, each path or glob in a
thread of its own: what a dead file system keeps waiting is told, and holds up nothing else. A key is not read at all;
where one stands in the same file as a certificate, its lines are passed over, one by one.
"""

import errno
import threading
from base64 import b64encode
from collections import deque
from contextlib import suppress
from typing import Any, BinaryIO, Callable, Deque, Dict, Iterator, List, NamedTuple, Optional, Tuple

from shipworthy.probes.parts.globs import expanded, is_glob
from shipworthy.probes.parts.pem import certificate_of, header, looks_like_certificate, read_pem
from shipworthy.probes.parts.users import group_name, user_name
from shipworthy.probes.runtime import child
from shipworthy.probes.runtime.encode import encode
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine

CERTIFICATES = 200
"""Of one file."""
FILE_BYTES = 2**20
TOTAL_BYTES = 3 * 2**18
"""Of all that is told of files, in base64 and escaped: an answer must have room for it."""
SECONDS = 5.0

_THREADS = 64
_LINE = 2**16
_HEAD = 32
_SHOWN = 512
"""Characters of a path."""
_SEQUENCE, _INTEGER, _OID = 0x30, 0x02, 0x06
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR)
_DENIED = (errno.EACCES, errno.EPERM)


class Key(NamedTuple):
    """A file with a private key, from outside."""

    path: str
    """Where it is in truth, links followed."""
    error: str
    """Why nothing is known of it."""
    mode: int
    """The permission bits alone: 0o640."""
    owner: str
    """By name; the number where it has none."""
    group: str


class File(NamedTuple):
    """A file with certificates."""

    path: str
    """As it was asked for, or as the glob found it."""
    error: str
    """`no such file`, `no regular file`, `no certificate in it`, `certificate 2 in it is damaged`.

    Where nothing can be said of it, or of all that a glob finds: `not permitted`, `not read: …`, `not kept: …`,
    `more than …`. Empty where there are certificates.
    """
    certificates: List[str]
    """DER in base64, in the file's order."""
    holds_key: bool
    """A private key stands in the same file: then `key` is this file."""
    modified: float
    """Seconds since the epoch."""
    key: Optional[Key]


class _KeyFound(NamedTuple):
    """A key, as the child knows it."""

    path: str
    error: str = ""
    mode: int = 0
    uid: int = -1
    gid: int = -1


class _Found(NamedTuple):
    """What the child has to say of a file; of the last one of an item, that it is the last."""

    item: int
    path: str = ""
    error: str = ""
    certificates: List[str] = []  # noqa: RUF012 -- never changed: a NamedTuple's default
    holds_key: bool = False
    modified: float = 0.0
    key: Optional[_KeyFound] = None
    is_end: bool = False


_Say = Callable[[Any], None]


def read_files(machine: Machine, wanted: Dict[str, str]) -> Dict[str, List[File]]:
    """The files that each path or glob of `wanted` stands for; its value is the path of their key, or empty."""
    if not wanted:
        return {}
    items = list(wanted.items())
    told = _told(machine, lambda say: _read_all(machine, items, say))
    found: Dict[str, List[File]] = {path: [] for path in wanted}
    missing = set(range(len(items)))
    for one in told:
        if one["is_end"]:
            missing.discard(one["item"])
        else:
            found[items[one["item"]][0]].append(_file(machine, one))
    for item in sorted(missing):
        path = items[item][0]
        found[path].append(File(path, "not read: no answer within {:g} s".format(SECONDS), [], False, 0.0, None))
    return found


def _told(machine: Machine, work: Callable[[_Say], None]) -> List[Any]:
    """What `work` says, in a child; nothing of a recorded tree blocks."""
    if not machine.recorded:
        return child.tell(work, SECONDS)
    said: List[Any] = []
    work(lambda value: said.append(encode(value)))
    return said


def _file(machine: Machine, found: Dict[str, Any]) -> File:
    key = found["key"] and _key(machine, _KeyFound(**found["key"]))
    told = (found["certificates"], found["holds_key"], found["modified"], key)
    return File(found["path"], found["error"], *told)


def _key(machine: Machine, found: _KeyFound) -> Key:
    if found.error:
        return Key(found.path, found.error, 0, "", "")
    return Key(found.path, "", found.mode, user_name(machine, found.uid), group_name(machine, found.gid))


class _Room:
    """How much may still be told."""

    def __init__(self) -> None:
        self._left = TOTAL_BYTES
        self._lock = threading.Lock()

    def takes(self, found: _Found) -> bool:
        """Whether it has its place; that is then taken."""
        # Six characters may become of one: `\\ud83d`.
        words = len(found.path) + len(found.error) + (len(found.key.path) if found.key else 0)
        size = 300 + 6 * words + sum(map(len, found.certificates))
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True


def _read_all(machine: Machine, items: List[Tuple[str, str]], say: _Say) -> None:
    room = _Room()
    waiting: Deque[int] = deque(range(len(items)))

    def work() -> None:
        with suppress(IndexError):
            while True:
                item = waiting.popleft()
                _read_item(machine, item, items[item], room, say)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(_THREADS, len(items)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _read_item(machine: Machine, item: int, wanted: Tuple[str, str], room: _Room, say: _Say) -> None:
    path, key = wanted
    full = "not kept: certificates of this host take more than {} KiB".format(TOTAL_BYTES // 1024)
    paths, error = expanded(machine, path) if is_glob(path) else ([path], "")
    errors = [error] if error else []
    for one in paths:
        found = _read(machine, item, one, key)
        if not room.takes(found):
            found = found._replace(certificates=[], error=full)
            if not room.takes(found):
                errors.append(full)
                break
        say(found)
    for error in errors:
        say(_Found(item, path[:_SHOWN], error))
    say(_Found(item, is_end=True))


def _read(machine: Machine, item: int, path: str, key: str) -> _Found:
    """One file. Raises nothing: what is wrong with it is told."""
    found = _Found(item, path[:_SHOWN])
    try:
        found = found._replace(modified=_modified(machine, path))
        with machine.regular(path) as file:
            certificates, holds_key, error = _certificates(file)
        error = error or ("" if certificates else "no certificate in it")
        texts = [] if error else [b64encode(der).decode("ascii") for der in certificates]
        found = found._replace(certificates=texts, holds_key=holds_key, error=error)
    except OSError as failed:
        found = found._replace(error=_words(failed))
    except ValueError as failed:  # no path at all
        found = found._replace(error="not read: {}".format(failed))
    of_key = path if found.holds_key else key
    return found._replace(key=_look_at(machine, of_key)) if of_key else found


def _certificates(file: BinaryIO) -> Tuple[List[bytes], bool, str]:
    """Those in a file, DER or PEM; whether a key is there too; and an error."""
    head = file.read(_HEAD)
    size = looks_like_certificate(head)
    if size > FILE_BYTES:
        return [], False, _too_long()
    if size:
        der = certificate_of(head[:size] + file.read(max(0, size - len(head))))
        return ([der], False, "") if der else ([], False, "certificate 1 in it is cut short")
    if _looks_like_key(head):
        return [], True, ""
    file.seek(0)
    lines = _Lines(file)
    pem = read_pem(lines.each(), CERTIFICATES)
    return pem.certificates, pem.holds_key, _too_long() if lines.too_long else pem.error


class _Lines:
    """The lines of a file, as far as it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.too_long = False

    def each(self) -> Iterator[bytes]:
        left = FILE_BYTES
        while left > 0:
            line = self._file.readline(min(left, _LINE))
            if not line:
                return
            left -= len(line)
            yield line
        self.too_long = bool(self._file.read(1))


def _too_long() -> str:
    return "more than {} MiB".format(FILE_BYTES // 2**20)


def _looks_like_key(head: bytes) -> bool:
    """In DER, by its first bytes: PKCS #1, #8 (encrypted too) or #12, or SEC 1."""
    outer = header(head, 0, _SEQUENCE)[1]
    inner = header(head, outer, _SEQUENCE)[1] if outer else 0
    return bool(outer) and (head[outer : outer + 1] == bytes([_INTEGER]) or bool(inner and head[inner] == _OID))


def _modified(machine: Machine, path: str) -> float:
    try:
        return max(0.0, machine.access(path).modified)
    except NotSeen:
        return 0.0


def _look_at(machine: Machine, path: str) -> _KeyFound:
    """A key, from outside."""
    try:
        mode, uid, gid, _ = machine.access(path)
        return _KeyFound(machine.real(path)[:_SHOWN], "", mode, uid, gid)
    except NotSeen as reason:
        return _KeyFound(path[:_SHOWN], "not seen: {}".format(reason))
    except OSError as failed:
        return _KeyFound(path[:_SHOWN], _words(failed))


def _words(error: OSError) -> str:
    if error.errno in _NOT_THERE:
        return "no such file"
    if error.errno in _DENIED:
        return "not permitted"
    if error.errno == errno.EINVAL:
        return str(error.strerror)
    return "not read: {}".format(error.strerror)
