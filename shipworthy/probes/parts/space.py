"""Room on each file system, and whether it answers at all when it is asked.

In: mounts. Out: `FileSystem`s. Whatever is asked is asked in a child with a deadline, all at once, so that ten dead
mounts cost one deadline. What is local is asked by one child together; only if that one is late, each by itself. What
another process or machine answers for is asked by itself at once, and of a server's mounts none after one that is dead.
Source: statvfs(3), fs/statfs.c.
"""

import errno
import threading
import time
from collections import deque
from typing import Any, Callable, Container, Deque, Dict, List, NamedTuple, Optional, Tuple

from shipworthy.probes.parts.mounts import Mounted, can_fill, is_kept, once_each
from shipworthy.probes.runtime.child import Abandoned, ChildError
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine, Room

_TOGETHER = 0.2
"""Of the time for an answer, how much those get that are asked together before each is asked by itself."""
_SIDE_BY_SIDE = 32
_FUSE = "fuse"
_DENIED = (errno.EACCES, errno.EPERM)
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR)


class Space(NamedTuple):
    """How much is left, in bytes and inodes; what is kept for root is not left."""

    total_bytes: int
    available_bytes: int
    available_percent: float
    inodes: int
    """0: the file system makes them as they are wanted, and has no bound."""
    inodes_free: int
    inodes_free_percent: float


class FileSystem(NamedTuple):
    """One file system, by one mount of it."""

    mounted: Mounted
    space: Optional[Space]
    """None where it has no size, is broken, or could not be asked."""
    broken: str
    """What came of asking instead of an answer, such as what the child was doing that never came back; else empty."""
    not_seen: str
    """Why this user could not ask; else empty."""


class FileSystems(NamedTuple):
    """All file systems, those that are worst off first."""

    told: List[FileSystem]
    left_out: int
    """Those that would make the reading too long: each is better off than all that are told."""


class _Answer(NamedTuple):
    room: Optional[Room] = None
    broken: str = ""
    not_seen: str = ""
    gone: bool = False


def read_file_systems(
    machine: Machine, mounts: List[Mounted], seconds: float, at_most: int, named: Container[str] = ()
) -> FileSystems:
    """Ask each file system once; all takes no more than `seconds`, however many do not answer.

    The mounts at the paths that are `named` are told in any case, each for itself.
    """
    kept = once_each([mounted for mounted in mounts if is_kept(mounted)], named)
    answers = _Asking(machine, seconds).all(kept)
    found = [_told(one, answers[one.path]) for one in kept if not _is_nobodys(one, answers[one.path])]
    found = sorted(_without_twins(found, named), key=lambda one: (one.mounted.path not in named, *_worst_first(one)))
    return FileSystems(found[:at_most], max(0, len(found) - at_most))


def space_of(room: Room) -> Space:
    """What is left, of what statvfs says."""
    return Space(
        total_bytes=room.blocks * room.frsize,
        available_bytes=room.bavail * room.frsize,
        available_percent=_percent(room.bavail, room.blocks),
        inodes=room.files,
        inodes_free=room.ffree,
        inodes_free_percent=_percent(room.ffree, room.files),
    )


class _Asking:
    """Asks, in children, until one moment."""

    def __init__(self, machine: Machine, seconds: float) -> None:
        self._machine = machine
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._answers: Dict[str, _Answer] = {}

    def all(self, mounts: List[Mounted]) -> Dict[str, _Answer]:
        """The answers by path."""
        together = [mounted for mounted in mounts if not _alone(mounted)]
        in_turn: Dict[str, List[Mounted]] = {}
        for mounted in mounts:
            if _alone(mounted):
                in_turn.setdefault(mounted.server or mounted.path, []).append(mounted)
        works = [_bound(self._in_turn, group) for group in in_turn.values()]
        if together:
            works.insert(0, _bound(self._together, together))
        _side_by_side(works)
        return self._answers

    def _together(self, mounts: List[Mounted]) -> None:
        try:
            self._ask(mounts, self._seconds * _TOGETHER)
        except (Abandoned, ChildError):
            _side_by_side([_bound(self._in_turn, [mounted]) for mounted in mounts])

    def _in_turn(self, mounts: List[Mounted]) -> None:
        dead = ""
        for mounted in mounts:
            left = self._until - time.monotonic()
            if dead:
                self._answers[mounted.path] = _Answer(broken="not asked, since {} gave no answer".format(dead))
            elif left < self._seconds * _TOGETHER:
                self._answers[mounted.path] = _Answer(broken="not asked: too many others gave no answer in time")
            else:
                try:
                    self._ask([mounted], round(left, 1))
                except Abandoned as doing:
                    dead = mounted.path
                    self._answers[dead] = _Answer(broken=str(doing))
                except ChildError as error:
                    self._answers[mounted.path] = _Answer(broken=str(error))

    def _ask(self, mounts: List[Mounted], seconds: float) -> None:
        """Raises `Abandoned` when they do not answer in time, `ChildError` when the child died of them."""
        paths = [mounted.path for mounted in mounts]
        told = self._machine.ask(lambda: [_look(self._machine, path) for path in paths], seconds)
        for path, (room, broken, not_seen, gone) in zip(paths, told):
            self._answers[path] = _Answer(Room(*room) if room else None, broken, not_seen, gone)


def _alone(mounted: Mounted) -> bool:
    """Whether somebody else answers for it: another machine, or a process of this one."""
    return bool(mounted.server) or mounted.type.startswith(_FUSE)


def _is_nobodys(mounted: Mounted, answer: _Answer) -> bool:
    """Whether there is nothing to judge: it is gone, or is the user's alone who mounted it, whom root may not visit."""
    private = mounted.type.startswith(_FUSE) and "allow_other" not in mounted.options
    return answer.gone or (private and bool(answer.not_seen))


def _look(machine: Machine, path: str) -> Tuple[Any, str, str, bool]:
    """In the child: an `_Answer`, in what JSON knows."""
    try:
        return list(machine.statvfs(path)), "", "", False
    except OSError as error:
        if error.errno in _DENIED:
            who = "is denied even to root" if machine.uid() == 0 else "needs root"
            return None, "", "{} {}".format(path, who), False
        return None, error.strerror or str(error), "", error.errno in _NOT_THERE
    except NotSeen as reason:
        return None, "", str(reason), False


def _bound(work: Callable[[List[Mounted]], None], mounts: List[Mounted]) -> Callable[[], None]:
    return lambda: work(mounts)


def _side_by_side(works: List[Callable[[], None]]) -> None:
    """Do all, some at a time. Raises what one of them raised: that no child can be made, as a rule."""
    waiting: Deque[Callable[[], None]] = deque(works)
    errors: List[Exception] = []

    def worker() -> None:
        while not errors:
            try:
                work = waiting.popleft()
            except IndexError:
                return
            try:
                work()
            except Exception as error:  # noqa: BLE001 -- it is raised again where the others are waited for
                errors.append(error)

    threads = [threading.Thread(target=worker, daemon=True) for _ in range(min(_SIDE_BY_SIDE, len(works)) - 1)]
    for thread in threads:
        thread.start()
    worker()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _told(mounted: Mounted, answer: _Answer) -> FileSystem:
    space = space_of(answer.room) if answer.room is not None and answer.room.blocks else None
    return FileSystem(mounted, space, answer.broken, answer.not_seen)


def _without_twins(found: List[FileSystem], named: Container[str]) -> List[FileSystem]:
    """Overlays tell the room of what they lie on: only one of those with the very same numbers is told."""
    kept: List[FileSystem] = []
    same: Dict[Space, FileSystem] = {}
    for one in found:
        other = same.get(one.space) if one.space is not None else None
        overlaid = other is not None and "overlay" in (one.mounted.type, other.mounted.type)
        if overlaid and one.mounted.path not in named:
            continue
        kept.append(one)
        if one.space is not None:
            same[one.space] = one
    return kept


def _worst_first(one: FileSystem) -> Tuple[int, float]:
    if one.broken or one.not_seen:
        return 0, 0.0
    if one.space is None:
        return 3, 0.0
    least = min(one.space.available_percent, one.space.inodes_free_percent)
    return 1 if can_fill(one.mounted) else 2, least


def _percent(part: int, whole: int) -> float:
    """Without inodes that are bounded, all of them are free."""
    return round(min(100.0, 100.0 * part / whole), 4) if whole else 100.0
