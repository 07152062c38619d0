"""Processes: who holds most memory and most swap.

In: /proc/PID/status of all, more of the few that are named. Out: `Processes`.
Every status is read once; for 1,000 processes that takes well under a tenth of a CPU second. Processes that vanish
meanwhile are left out. Source: Documentation/filesystems/proc.rst, fs/proc/array.c.
"""

import heapq
from typing import Dict, List, NamedTuple, Optional, Tuple

from shipworthy.probes.parts.cgroups import Mount, mounts
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import KIBIBYTE, number
from shipworthy.probes.runtime.seen import Eyes

GONE = (FileNotFoundError, NotADirectoryError, ProcessLookupError)
"""What reading a process that has ended raises."""

_INITIAL_PID_NAMESPACE = "pid:[4026531836]"


class Status(NamedTuple):
    """What every process is asked: sizes in bytes, None where this kernel or this process has none."""

    pid: int
    data: bytes
    rss_bytes: int
    rss_anon_bytes: Optional[int]
    swap_bytes: Optional[int]


class Process(NamedTuple):
    """One process that is named as evidence. (pid, start_ticks) is what it is known by."""

    pid: int
    comm: str
    uid: int
    start_ticks: Optional[int]
    """Since boot; the 22nd field of its stat."""
    age_seconds: Optional[float]
    swap_bytes: Optional[int]
    rss_bytes: int
    rss_anon_bytes: Optional[int]
    data_bytes: int
    stack_bytes: int
    size_bytes: int
    threads: int


class Processes(NamedTuple):
    """The processes that this user can see."""

    total: int
    """Kernel threads and zombies not counted."""
    swap_bytes: Optional[int]
    """Σ VmSwap. Pages that forked processes share count for each."""
    other_swap_bytes: Optional[int]
    """Swap used, but by no process's own pages: tmpfs, SysV and other shared memory, and what is in RAM again."""
    top_swappers: Optional[List[Process]]
    top_resident: List[Process]


def parse_status(pid: int, data: bytes) -> Optional[Status]:
    """The sizes of a process; None for kernel threads and zombies, which have none."""
    rss = _kibibytes(data, b"VmRSS", pid)
    if rss is None:
        if b"\nState:" not in data:
            raise ParseError("/proc/{}/status: no line begins with 'State:'".format(pid))
        return None
    return Status(pid, data, rss, _kibibytes(data, b"RssAnon", pid), _kibibytes(data, b"VmSwap", pid))


def parse_start_ticks(text: str, path: str) -> int:
    """The start time in a `stat`, whose second field may hold blanks, parentheses and newlines."""
    fields = text.rpartition(")")[2].split()
    if len(fields) < 20:
        raise ParseError("{}: {} fields after the name, not at least 20".format(path, len(fields)))
    return number(fields[19], path, "field 22")


def read_statuses(eyes: Eyes) -> List[Status]:
    """Every process that has memory of its own.

    `processes.others` is unseen where there may be more on the machine, `forkers.others` where there may be more here:
    a container's are its own.
    """
    machine = eyes.machine
    read = eyes.see("processes.others", lambda: machine.once("statuses", lambda: _statuses(machine)))
    if read is None:
        return []
    found, denied = read
    if found:
        eyes.see("processes.others", lambda: _all_are_seen(machine, denied))
        eyes.see("forkers.others", lambda: none_is_hidden(machine, denied))
    return found


def _statuses(machine: Machine) -> Tuple[List[Status], int]:
    """Every process that has memory of its own, and how many may not be read."""
    found, denied = [], 0
    for name in machine.list("/proc"):
        if not name.isdigit():
            continue
        try:
            data = machine.read_bytes("/proc/{}/status".format(name))
        except GONE:
            continue
        except PermissionError:
            denied += 1
            continue
        # A tree copies what it can of a process that ends meanwhile: nothing.
        status = parse_status(int(name), data) if data else None
        if status is not None:
            found.append(status)
    return found, denied


def read_processes(eyes: Eyes, statuses: List[Status], top: int, swap_used: Optional[int]) -> Optional[Processes]:
    """Everything about processes but forks."""
    machine = eyes.machine
    if not statuses:
        eyes.unseen["processes"] = "no process in /proc"
        return None
    swapped = eyes.see("processes.swap_bytes", lambda: _swapped(statuses))
    if swapped is None:
        eyes.unseen["processes.top_swappers"] = eyes.unseen["processes.swap_bytes"]
    swappers = [status for status in statuses if status.swap_bytes]
    return Processes(
        total=len(statuses),
        swap_bytes=swapped,
        other_swap_bytes=eyes.see("processes.other_swap_bytes", lambda: _other(eyes, swap_used, swapped)),
        top_swappers=None if swapped is None else _top(machine, swappers, top, "swap_bytes"),
        top_resident=_top(machine, statuses, top, "rss_bytes"),
    )


def describe_process(machine: Machine, status: Status) -> Process:
    """All that is told of a process that is named."""
    fields = status_fields(status)
    ticks = _start_ticks(machine, status.pid)
    age = None
    try:
        if ticks is not None:
            age = round(machine.uptime() - ticks / machine.ticks_per_second(), 2)
    except OSError:
        pass  # a tree without /proc/uptime: the start alone must do
    path = "/proc/{}/status".format(status.pid)
    return Process(
        pid=status.pid,
        comm=_unescaped(fields.get("Name", "")),
        uid=number(word_of(fields, "Uid", path), path, "Uid"),
        start_ticks=ticks,
        age_seconds=age,
        swap_bytes=status.swap_bytes,
        rss_bytes=status.rss_bytes,
        rss_anon_bytes=status.rss_anon_bytes,
        data_bytes=_size(fields, "VmData", path),
        stack_bytes=_size(fields, "VmStk", path),
        size_bytes=_size(fields, "VmSize", path),
        threads=number(word_of(fields, "Threads", path), path, "Threads"),
    )


def status_fields(status: Status) -> Dict[str, str]:
    """All lines of a status by name; a newline within a name is escaped there by the kernel."""
    lines = status.data.decode("utf-8", "surrogateescape").split("\n")
    return {name: value.strip(" \t") for name, _, value in (line.partition(":\t") for line in lines)}


def word_of(fields: Dict[str, str], name: str, path: str) -> str:
    """The first word of a line. Raises ParseError when there is none."""
    words = fields.get(name, "").split()
    if not words:
        raise ParseError("{}: no line begins with '{}:'".format(path, name))
    return words[0]


def _swapped(statuses: List[Status]) -> int:
    sizes = [status.swap_bytes for status in statuses if status.swap_bytes is not None]
    if not sizes:
        raise NotSeen("this kernel has no VmSwap in /proc/PID/status")
    return sum(sizes)


def _other(eyes: Eyes, used: Optional[int], swapped: Optional[int]) -> int:
    if used is None or swapped is None:
        raise NotSeen("swap used, or that of processes, is not known")
    if "processes.others" in eyes.unseen:
        raise NotSeen(eyes.unseen["processes.others"])
    return max(0, used - swapped)


def none_is_hidden(machine: Machine, denied: int = 0) -> bool:
    """True where this user can see every process that there is here. Raises NotSeen otherwise."""
    if denied:
        raise NotSeen("{} processes may not be read by this user: needs root".format(denied))
    if machine.uid() != 0 and any(_hides(mount) for mount in mounts(machine)):
        raise NotSeen("/proc is mounted with hidepid: needs root")
    return True


def _all_are_seen(machine: Machine, denied: int) -> bool:
    try:
        namespace = machine.link("/proc/self/ns/pid")
    except OSError:
        namespace = _INITIAL_PID_NAMESPACE  # a tree without its links tells nothing else
    if namespace != _INITIAL_PID_NAMESPACE:
        raise NotSeen("only the processes of a PID namespace can be seen here")
    return none_is_hidden(machine, denied)


def _hides(mount: Mount) -> bool:
    settings = [option for option in mount.options if option.startswith("hidepid=")]
    return mount.type == "proc" and settings not in ([], ["hidepid=0"], ["hidepid=off"])


def _top(machine: Machine, statuses: List[Status], top: int, key: str) -> List[Process]:
    largest = heapq.nlargest(top, statuses, key=lambda one: (getattr(one, key), -one.pid))
    return [describe_process(machine, status) for status in largest]


def _start_ticks(machine: Machine, pid: int) -> Optional[int]:
    path = "/proc/{}/stat".format(pid)
    try:
        text = machine.read(path)
    except GONE:
        return None
    return parse_start_ticks(text, path) if text else None  # empty: a tree of a process that ended meanwhile


def _size(fields: Dict[str, str], name: str, path: str) -> int:
    return number(word_of(fields, name, path), path, name) * KIBIBYTE


def _unescaped(name: str) -> str:
    """The kernel writes a backslash as two, and a newline as backslash and n."""
    return "\\".join(part.replace("\\n", "\n") for part in name.split("\\\\"))


def _kibibytes(data: bytes, name: bytes, pid: int) -> Optional[int]:
    """The size in the line `VmRSS:      9132 kB`, searched, since splitting a thousand texts costs five times that."""
    at = data.find(b"\n" + name + b":")
    if at < 0:
        return None
    end = data.find(b"\n", at + 1)
    words = data[at + len(name) + 2 : end if end >= 0 else len(data)].split()
    if len(words) != 2 or words[1] != b"kB" or not words[0].isdigit() or len(words[0]) > 20:
        raise ParseError("/proc/{}/status: {} {!r} is not of the form `number kB`".format(pid, name.decode(), words))
    return int(words[0]) * KIBIBYTE
