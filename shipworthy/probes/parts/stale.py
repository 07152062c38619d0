"""Programs and libraries that run although their files are deleted: an update that nobody restarted for.

In: the links /proc/PID/exe; of some processes also their maps. Out: `Stale`. When a file was deleted, its inode tells:
the time of its last change, which losing a name is. What never had a name (memfd) is no program of an update.
Source: proc_pid_exe(5), proc_pid_maps(5), proc_pid_map_files(5).
"""

import os
import re
import time
from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple

from shipworthy.probes.parts.processes import GONE
from shipworthy.probes.parts.stats import Stat, age_seconds
from shipworthy.probes.runtime.child import Abandoned, ChildError
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine

_DELETED = " (deleted)"
_MOST = 64
_SECONDS = 3.0
_NAMELESS = ("/memfd:", "/dev/", "/SYSV", "/proc/")
_LIBRARY = re.compile(
    rb"^([0-9a-f]+-[0-9a-f]+) ..x. [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ \d+ +(/.*\.so(?:\.[^/]*)?) \(deleted\)$"
)


class Stale(NamedTuple):
    """A process that runs from a file without a name."""

    pid: int
    comm: str
    path: str
    """As it was called."""
    seconds_ago: Optional[float]
    """Since it was deleted; None where that cannot be told."""
    age_seconds: float
    """How long the process runs: it cannot have run from a deleted file for longer."""


class Executables(NamedTuple):
    """Whose executables are deleted, longest first; 64 at most are named."""

    stale: List[Stale]
    total: int
    denied: int
    """Processes of which this user may not know it."""
    complete: Optional[bool]
    """True when root looked, from whom only a sandbox hides some, or when none was denied; otherwise None."""


def read_executables(machine: Machine, processes: Iterable[Stat]) -> Executables:
    """Every process's executable."""
    found, denied = [], 0
    for one in processes:
        if one.is_kernel_thread or one.is_dead:
            continue
        try:
            target = machine.link("/proc/{}/exe".format(one.pid))
        except GONE:
            continue
        except PermissionError:
            denied += 1
            continue
        if _is_deleted(target):
            found.append((one, target[: -len(_DELETED)], "/proc/{}/exe".format(one.pid)))
    complete = True if not denied or machine.uid() == 0 else None
    return Executables(_told(machine, found), len(found), denied, complete)


def read_libraries(machine: Machine, processes: Iterable[Stat]) -> List[Stale]:
    """The libraries of some processes that are deleted. Raises NotSeen when this user may not read their maps."""
    found = []
    for one in processes:
        try:
            libraries = parse_libraries(machine.lines("/proc/{}/maps".format(one.pid)))
        except GONE:
            continue
        except PermissionError:
            raise NotSeen("other users' libraries: needs root") from None
        found += [(one, path, "/proc/{}/map_files/{}".format(one.pid, at)) for path, at in sorted(libraries.items())]
    return _told(machine, found)


def parse_libraries(lines: Iterable[bytes]) -> Dict[str, str]:
    """Deleted shared objects of which code is mapped, and where: `{"/usr/lib/libz.so.1": "7f1c-7f2d"}`."""
    found: Dict[str, str] = {}
    for line in lines:
        match = _LIBRARY.match(line) if line.endswith(b" (deleted)") else None
        if match:
            path = match.group(2).decode("utf-8", "surrogateescape")
            if not path.startswith(_NAMELESS):
                found.setdefault(path, match.group(1).decode("ascii"))
    return found


def _is_deleted(target: str) -> bool:
    return target.endswith(_DELETED) and target.startswith("/") and not target.startswith(_NAMELESS)


def _told(machine: Machine, found: List[Tuple[Stat, str, str]]) -> List[Stale]:
    ages = _ages(machine, [link for _, _, link in found])
    stale = [Stale(one.pid, one.comm, path, ages.get(link), age_seconds(machine, one)) for one, path, link in found]
    stale.sort(key=lambda each: (-(each.age_seconds if each.seconds_ago is None else each.seconds_ago), each.pid))
    return stale[:_MOST]


def _ages(machine: Machine, links: List[str]) -> Dict[str, float]:
    """Seconds since each was deleted, of those that tell; asked in a child, since a dead file system may be behind."""
    if machine.recorded or not links:
        return {}
    try:
        ages: Dict[str, float] = machine.ask(lambda: _ask_ages(links), _SECONDS)
    except (Abandoned, ChildError):
        return {}
    return ages


def _ask_ages(links: List[str]) -> Dict[str, float]:
    ages = {}
    now = time.time()
    for link in links:
        try:
            ages[link] = round(max(0.0, now - os.stat(link).st_ctime), 2)
        except OSError:
            continue  # it has ended, or this user may not ask: it is not known
    return ages
