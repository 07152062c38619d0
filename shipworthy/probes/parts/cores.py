"""Whether a crash of a service would leave a core: where it goes, what its limit allows, what room is there.

In: kernel.core_pattern, the limits of processes, the space of the directory. Out: `Trace`.
Source: core(5), fs/coredump.c: a limit of 0 bytes keeps nothing in a file, and one of 1 nothing at all; a handler
behind `|` gets the core whatever else the limit is, and systemd-coredump then keeps none when it is under a page.
"""

import os
import re
from typing import List, NamedTuple, Optional

from shipworthy.probes.parts.processes import GONE
from shipworthy.probes.runtime.child import Abandoned
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import KIBIBYTE, number
from shipworthy.probes.runtime.seen import why

PATTERN = "/proc/sys/kernel/core_pattern"

_USES_PID = "/proc/sys/kernel/core_uses_pid"
_LIMIT = re.compile(r"^Max core file size +(\S+) +\S+ +bytes *$", re.MULTILINE)
_SUID_DUMPABLE = "/proc/sys/fs/suid_dumpable"
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
    """There; None with a handler, and when the folder is not there."""
    undumpable: Optional[int]
    """A process of which no core is kept, since it gave up privileges and fs.suid_dumpable forbids that; None: none."""


def read_trace(machine: Machine, pids: List[int], contained: bool) -> Trace:
    """What would come of a crash of these processes. Raises NotSeen, OSError, ParseError."""
    pattern = machine.read(PATTERN).rstrip("\n")
    limit = _lowest(machine, pids)
    if pattern.startswith("|"):
        handler = (pattern[1:].split() or [""])[0]
        # A container's cores go to a program of its host, which cannot be seen here.
        there = None if contained else machine.exists(handler)
        return Trace(pattern, handler, there, limit, None, None, _undumpable(machine, pids))
    if not pattern and machine.exists(_USES_PID) and machine.read(_USES_PID).strip() != "0":
        pattern = ".%p"
    folder = _folder(machine, pattern, pids[0]) if pattern else None
    free = _free(machine, folder) if folder else None
    return Trace(pattern, None, None, limit, folder, free, _undumpable(machine, pids))


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
    """Room there for whoever is not root, as df tells it; None when there is no such folder."""
    try:
        done = machine.run(["df", "-Pk", folder], _SECONDS)
    except Abandoned as error:
        raise NotSeen("{}: {}".format(folder, error)) from None
    return parse_free(done.stdout.decode("utf-8", "surrogateescape")) if done.exit_status == 0 else None


def parse_free(text: str) -> int:
    """The bytes in the fourth column of `df -Pk`."""
    fields = text.rstrip("\n").rpartition("\n")[2].split()
    if len(fields) < 6:
        raise ParseError("df -Pk: not a line of six fields: {!r}".format(text[-200:]))
    return number(fields[3], "df -Pk", "field 4") * KIBIBYTE


def _undumpable(machine: Machine, pids: List[int]) -> Optional[int]:
    """The kernel gives the files of a process that may not be dumped to root, whoever runs it: proc_pid(5)."""
    if machine.recorded or machine.read(_SUID_DUMPABLE).strip() != "0":
        return None
    return next((pid for pid in pids if _is_roots(pid) and not _runs_as_root(machine, pid)), None)


def _is_roots(pid: int) -> bool:
    try:
        return os.stat("/proc/{}/status".format(pid)).st_uid == 0
    except OSError:
        return False  # it has ended


def _runs_as_root(machine: Machine, pid: int) -> bool:
    try:
        status = machine.read("/proc/{}/status".format(pid))
    except OSError:
        return True
    return re.search(r"^Uid:\t\d+\t0\t", status, re.MULTILINE) is not None
