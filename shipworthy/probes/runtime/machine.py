"""The machine that a probe looks at: this one, or a tree recorded from another.

In: paths as they are on the host (`/proc/meminfo`). Out: texts, names, commands' outputs, bounded in size and time.
Under a recorded tree nothing of this machine is ever seen: not its files, clock, user or commands. What a command said
there lies in `commands/`, in a file whose name is the command's line with `/` as `%2F`. In the same way `statvfs/` and
`stat/` hold what those calls say of a path, a field a line (`blocks 1000`); a file that begins with `no answer` is a
call that never came back.
"""

import errno
import os
import stat
import threading
import time
from contextlib import contextmanager
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, TypeVar

from shipworthy.probes.runtime import child
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.files import as_bytes, read, records, told_as
from shipworthy.probes.runtime.links import Links
from shipworthy.probes.runtime.parse import parse_keyed, parse_uptime

MEBIBYTE = 2**20
_TICKS_PER_SECOND = 100  # USER_HZ on every architecture that Linux has but alpha and ia64
_BLOCK = 2**18

Value = TypeVar("Value")


class Room(NamedTuple):
    """What statvfs(2) says of a file system: blocks of `frsize` bytes, and inodes."""

    frsize: int
    blocks: int
    bfree: int
    bavail: int
    """Without what is kept for root."""
    files: int
    ffree: int


class Node(NamedTuple):
    """What stat(2) says of the file that a path leads to."""

    major: int
    minor: int
    inode: int
    nlink: int
    blocks: int
    """Of 512 bytes, whatever the file system's own are."""


class Access(NamedTuple):
    """Who may do what with the file that a path leads to, and since when it is as it is."""

    mode: int
    """The permission bits."""
    uid: int
    gid: int
    modified: float
    """Seconds since the epoch."""


class Machine:
    """Files, links, commands and clocks of one machine; `root` is a recorded tree to look at instead of this one."""

    def __init__(self, root: str = "") -> None:
        self.root = root
        self._lock = threading.Lock()
        self._looks: Dict[Tuple[str, str], _Look] = {}

    @property
    def recorded(self) -> bool:
        return bool(self.root)

    def once(self, name: str, look: Callable[[], Value]) -> Value:
        """What `look` returns, or raises: it is called once however many probes ask for `name`.

        What has rates is asked for by a name for each sample, such as `stats 1` before the window, `stats 2` after it.
        """
        with self._lock:
            one = self._looks.setdefault((self.root, name), _Look())
        value: Value = one.result(look)
        return value

    def read(self, path: str, at_most: int = MEBIBYTE) -> str:
        """The text of a file; bytes that are no UTF-8 become lone surrogates. A longer file is an OSError."""
        return self.read_bytes(path, at_most).decode("utf-8", "surrogateescape")

    def read_bytes(self, path: str, at_most: int = MEBIBYTE) -> bytes:
        """The content of a file of at most `at_most` bytes."""
        try:  # as `told_as` does it, which thousands of files would feel
            descriptor = os.open(self._real(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
            try:
                return read(descriptor, path, at_most)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from None

    def lines(self, path: str) -> Iterator[bytes]:
        """The lines of a table that may be long, without their ends; no more than a block of it is held at a time."""
        with told_as(path):
            descriptor = os.open(self._real(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
        rest = b""
        try:
            while True:
                with told_as(path):
                    block = os.read(descriptor, _BLOCK)
                if not block:
                    break
                lines = (rest + block).split(b"\n")
                rest = lines.pop()
                yield from lines
        finally:
            os.close(descriptor)
        if rest:
            yield rest

    @contextmanager
    def links(self, path: str) -> Iterator[Links]:
        """The symbolic links in a directory."""
        with told_as(path):
            folder = os.open(self._real(path), os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        try:
            yield Links(folder, sized=not self.recorded)
        finally:
            os.close(folder)

    def read_records(self, path: str, at_most: int) -> str:
        """What a device like /dev/kmsg has to give now, without waiting for more; the newest `at_most` bytes of it."""
        with told_as(path):
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
            descriptor = os.open(self._real(path), flags)
            try:
                return b"".join(records(descriptor))[-at_most:].decode("utf-8", "surrogateescape")
            finally:
                os.close(descriptor)

    @contextmanager
    def regular(self, path: str) -> Iterator[BinaryIO]:
        """A regular file, opened; whatever else there may be at `path` is an OSError, and is not touched."""
        with told_as(path):
            real = self._real(path)
            if not stat.S_ISREG(os.stat(real).st_mode):
                raise OSError(errno.EINVAL, "no regular file", path)
            file = os.fdopen(os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK), "rb")
        with file:
            yield file

    def list(self, path: str) -> List[str]:
        """The names in a directory, sorted."""
        with told_as(path):
            return sorted(name.decode("utf-8", "surrogateescape") for name in os.listdir(self._real(path)))

    def folders(self, path: str) -> List[str]:
        """The names of the directories in a directory, sorted; links are none."""
        with told_as(path), os.scandir(self._real(path)) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        return sorted(name.decode("utf-8", "surrogateescape") for name in names)

    def exists(self, path: str) -> bool:
        try:
            return os.path.exists(self._real(path))
        except OSError:
            return False

    def link(self, path: str) -> str:
        """What a symbolic link says."""
        folder, _, name = path.rpartition("/")
        with told_as(path):
            return os.readlink(self._real(folder) + b"/" + as_bytes(name)).decode("utf-8", "surrogateescape")

    def real(self, path: str) -> str:
        """Where `path` leads, all links followed."""
        with told_as(path):
            real = os.path.realpath(self._real(path))
        inside = len(os.path.realpath(as_bytes(self.root))) if self.recorded else 0
        return real[inside:].decode("utf-8", "surrogateescape")

    def run(self, command: Sequence[str], seconds: float, at_most: int = MEBIBYTE) -> child.Completed:
        """Run a command with a deadline. Raises `child.Abandoned`; under a tree that has not recorded it, `NotSeen`."""
        if self.recorded:
            return self._recorded_run(" ".join(command))
        return child.run(command, seconds, at_most)

    def _recorded_run(self, line: str) -> child.Completed:
        try:
            return child.Completed(0, self.read_bytes("/commands/" + line.replace("/", "%2F")), b"")
        except OSError:
            raise NotSeen("the recorded tree does not tell what `{}` said".format(line)) from None

    def ask(self, function: Callable[[], Any], seconds: float) -> Any:
        """Call what may block in the kernel, in a child. Raises `child.Abandoned`, `child.ChildError`.

        Nothing of a recorded tree blocks: there it is called as it is.
        """
        return function() if self.recorded else child.ask(function, seconds)

    def statvfs(self, path: str) -> Room:
        """How full the file system is that `path` lies in. May block: to be called by way of `ask`. Raises OSError."""
        if self.recorded:
            return Room(*self._recorded_call("statvfs", path, Room._fields))
        with told_as(path):
            said = os.statvfs(as_bytes(path))
        return Room(said.f_frsize, said.f_blocks, said.f_bfree, said.f_bavail, said.f_files, said.f_ffree)

    def stat(self, path: str) -> Node:
        """What `path` leads to. May block: to be called by way of `ask`. Raises OSError."""
        if self.recorded:
            return Node(*self._recorded_call("stat", path, Node._fields))
        with told_as(path):
            said = os.stat(as_bytes(path))
        return Node(os.major(said.st_dev), os.minor(said.st_dev), said.st_ino, said.st_nlink, said.st_blocks)

    def access(self, path: str) -> Access:
        """Who may do what with what `path` leads to. May block: to be called by way of `ask`. Raises OSError."""
        if self.recorded:
            mode, uid, gid, modified = self._recorded_call("stat", path, Access._fields)
            return Access(int(str(mode), 8), uid, gid, float(modified))  # recorded as chmod(1) takes it: 640
        with told_as(path):
            said = os.stat(as_bytes(path))
        return Access(stat.S_IMODE(said.st_mode), said.st_uid, said.st_gid, said.st_mtime)

    def _recorded_call(self, call: str, path: str, fields: Sequence[str]) -> List[int]:
        name = "/{}/{}".format(call, path.replace("/", "%2F"))
        try:
            text = self.read(name)
        except OSError:
            raise NotSeen("the recorded tree does not tell what {} says of {}".format(call, path)) from None
        if text.startswith("no answer"):
            raise child.Abandoned(text.strip())
        values = parse_keyed(text, name)
        return [values[field] for field in fields]

    def uid(self) -> Optional[int]:
        """Whose eyes look: the effective user; for a recorded tree, whoever recorded /proc/self, if that is known."""
        if not self.recorded:
            return os.geteuid()
        try:
            for line in self.read("/proc/self/status").splitlines():
                if line.startswith("Uid:"):
                    return int(line.split()[2])
        except (OSError, ValueError, IndexError):
            return None
        return None

    def now(self) -> float:
        """A moment, to be told from a later one: seconds of a clock that nobody sets; 0 in a recorded tree."""
        return 0.0 if self.recorded else time.monotonic()

    def kernel_seconds(self) -> float:
        """Now, by the clock that stamps the kernel's log. Raises OSError, ParseError."""
        return self.uptime() if self.recorded else time.monotonic()

    def uptime(self) -> float:
        """Seconds since boot. Raises OSError, ParseError."""
        return parse_uptime(self.read("/proc/uptime"))

    def page_bytes(self) -> int:
        """The size of a page. Raises `NotSeen` under a recorded tree, which does not say it."""
        if self.recorded:
            raise NotSeen("a recorded tree does not tell the size of a page")
        return os.sysconf("SC_PAGE_SIZE")

    def ticks_per_second(self) -> int:
        """The unit of the times in /proc/PID/stat."""
        return _TICKS_PER_SECOND if self.recorded else os.sysconf("SC_CLK_TCK")

    def _real(self, path: str) -> bytes:
        if not self.recorded:
            return as_bytes(path)
        real = os.path.realpath(as_bytes(self.root + path))
        inside = os.path.realpath(as_bytes(self.root))
        if real != inside and not real.startswith(inside.rstrip(b"/") + b"/"):
            raise OSError(errno.EXDEV, "leads out of the recorded tree", path)
        mode = os.stat(real).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise OSError(errno.EINVAL, "is no plain file of the recorded tree", path)
        return real


class _Look:
    """One look at the machine, whoever asks first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = False
        self._value: Any = None
        self._error: Optional[Exception] = None

    def result(self, look: Callable[[], Any]) -> Any:
        with self._lock:
            if not self._done:
                try:
                    self._value = look()
                except Exception as error:  # noqa: BLE001 -- it is everybody's who asks, not this caller's alone
                    self._error = error
                self._done = True
        if self._error is not None:
            raise self._error
        return self._value
