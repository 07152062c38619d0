"""Whether a crash of a service would leave a core: where it goes, what its limit allows, what room is there.

In: kernel.core_pattern, the limits of processes, the space of the directory. Out: `Trace`.
Source: core(5), fs/coredump.c: a limit of 0 bytes keeps nothing in a file, and one of 1 nothing at all; a handler
behind `|` gets the core whatever else the limit is, and systemd-coredump then keeps none when it is under a page.
"""

import os
import re
from typing import List, NamedTuple, Optional

from shipworthy.probes.parts.processes import GONE
from shipworthy.probes.runtime.child import Abandoned, ChildError
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import number
from shipworthy.probes.runtime.seen import why

PATTERN = "/proc/sys/kernel/core_pattern"

_USES_PID = "/proc/sys/kernel/core_uses_pid"
_LIMIT = re.compile(r"^Max core file size +(\S+) +\S+ +bytes *$", re.MULTILINE)
_SECONDS = 3.0


class Trace(NamedTuple):
    """Where a core would go."""

    pattern: str
    handler: Optional[str]
    """The program that gets it; None when it is written to a file."""
    handler_is_there: Optional[bool]
    limit_bytes: Optional[int]
    """The lowest of the service's processes; None without a limit."""
    folder: Optional[str]
    """Where the file would be written; None with a handler."""
    free_bytes: Optional[int]
    """There; None with a handler, or when it cannot be told."""


def read_trace(machine: Machine, pids: List[int], contained: bool) -> Trace:
    """What would come of a crash of these processes. Raises NotSeen, OSError, ParseError."""
    pattern = machine.read(PATTERN).rstrip("\n")
    limit = _lowest(machine, pids)
    if pattern.startswith("|"):
        handler = (pattern[1:].split() or [""])[0]
        # A container's cores go to a program of its host, which cannot be seen here.
        return Trace(pattern, handler, None if contained else machine.exists(handler), limit, None, None)
    if not pattern and machine.exists(_USES_PID) and machine.read(_USES_PID).strip() != "0":
        pattern = ".%p"
    folder = _folder(machine, pattern, pids[0]) if pattern else None
    return Trace(pattern, None, None, limit, folder, _free(machine, folder) if folder else None)


def parse_core_limit(text: str, path: str) -> Optional[int]:
    """The soft limit of a core's size; None when there is none."""
    match = _LIMIT.search(text)
    if not match:
        raise ParseError("{}: no line begins with 'Max core file size'".format(path))
    return None if match.group(1) == "unlimited" else number(match.group(1), path, "Max core file size")


def _lowest(machine: Machine, pids: List[int]) -> Optional[int]:
    limits = []
    for pid in pids:
        path = "/proc/{}/limits".format(pid)
        try:
            limits.append(parse_core_limit(machine.read(path), path))
        except GONE:
            continue
    if not limits:
        raise NotSeen("its processes ended meanwhile")
    return min((limit for limit in limits if limit is not None), default=None)


def _folder(machine: Machine, pattern: str, pid: int) -> str:
    folder = pattern.rpartition("/")[0]
    if pattern.startswith("/"):
        return folder.partition("%")[0].rstrip("/") or "/"
    try:
        return machine.link("/proc/{}/cwd".format(pid))
    except OSError as error:
        raise NotSeen(why(error)) from None


def _free(machine: Machine, folder: str) -> Optional[int]:
    """Room for whoever is not root; None when it cannot be told. Asked in a child: a dead file system may be there."""
    if machine.recorded:
        return None
    try:
        free: int = machine.ask(lambda: _ask_free(folder), _SECONDS)
    except (Abandoned, ChildError):
        return None
    return free


def _ask_free(folder: str) -> int:
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize
