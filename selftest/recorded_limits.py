"""Small recorded hosts for the checks of limits, each a few edits away from one that is well, and their verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selftest import judged
from shipworthy.probes.limits import Limits, Request
from shipworthy.snapshot import NOTHING_BEFORE, Previous

Files = Mapping[str, "str | None"]

UPTIME = 500_000.0
DAY = 86_400.0
MOUNTS = "25 30 0:23 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n24 30 0:22 / /proc rw - proc proc rw\n"
CONTAINER: Files = {"/proc/self/ns/cgroup": "link:cgroup:[4026532999]"}
_CACHE = "entries  allocs   destroys hash_grows table_fulls\n"
_LIMIT = "Limit                     Soft Limit           Hard Limit           Units     \n"
_NAMES = {
    "processes": "Max processes",
    "files": "Max open files",
    "locked": "Max locked memory",
    "space": "Max address space",
}


def sysctl(name: str, *values: object) -> Files:
    return {f"/proc/sys/{name}": "\t".join(map(str, values)) + "\n"}


def sockstat(*, tw: int = 0, orphan: int = 0, tcp: int = 10, udp: int = 1) -> Files:
    text = f"sockets: used 16\nTCP: inuse 1 orphan {orphan} tw {tw} alloc 7 mem {tcp}\nUDP: inuse 0 mem {udp}\n"
    return {"/proc/net/sockstat": text}


def neighbours(entries: int, full: int = 0, *, cache: str = "arp_cache") -> Files:
    """The table of two CPUs: the entries are the whole's, events each CPU's own."""
    lines = [f"{entries:08x} 00000163 00000142 00000001 {each:08x}\n" for each in (full, 0)]
    return {f"/proc/net/stat/{cache}": _CACHE + "".join(lines)}


def overflows(times: int) -> Files:
    return {"/proc/net/netstat": f"TcpExt: SyncookiesSent TCPTimeWaitOverflow\nTcpExt: 0 {times}\n"}


def process(
    pid: int,
    name: str,
    *,
    uid: int = 0,
    threads: int = 1,
    opened: int = 0,
    status: Mapping[str, object] | None = None,
    **limits: object,
) -> Files:
    """A process that has so many files open; limits by the short names above, `unlimited` if not said."""
    fields = {
        "Name": name,
        "State": "S (sleeping)",
        "Uid": f"{uid}\t{uid}\t{uid}\t{uid}",
        "SigQ": "0/62000",
        "VmSize": "20000 kB",
        "VmLck": "0 kB",
        "VmRSS": "9000 kB",
        "VmPTE": "60 kB",
        "Threads": threads,
        "CapEff": "0" * 16 if uid else "000001ffffffffff",
        **(status or {}),
    }
    soft = {title: limits.get(short, "unlimited") for short, title in _NAMES.items()}
    lines = [f"{title:<26}{value!s:<21}{'unlimited':<21}units     \n" for title, value in soft.items()]
    return {
        f"/proc/{pid}/status": "".join(f"{key}:\t{value}\n" for key, value in fields.items()),
        f"/proc/{pid}/limits": _LIMIT + "".join(lines),
        **{f"/proc/{pid}/fd/{n}": "link:/dev/null" for n in range(opened)},
    }


def inotify(pid: int, descriptor: int, *watched: str) -> Files:
    """An instance of a process, and what it watches."""
    lines = "".join(f"inotify wd:{n} ino:{inode} sdev:1\n" for n, inode in enumerate(watched, 1))
    return {
        f"/proc/{pid}/fd/{descriptor}": "link:anon_inode:inotify",
        f"/proc/{pid}/fdinfo/{descriptor}": f"pos:\t0\nflags:\t00\n{lines}",
    }


def group(path: str, tasks: int, most: object, refused: int = 0, *, local: int | None = None) -> Files:
    folder = f"/sys/fs/cgroup{path}"
    own = {} if local is None else {f"{folder}/pids.events.local": f"max {local}\n"}
    texts = {"current": f"{tasks}\n", "max": f"{most}\n", "events": f"max {refused}\n"}
    return {**{f"{folder}/pids.{name}": text for name, text in texts.items()}, **own}


def log(*lines: tuple[float, str], facility: int = 0) -> Files:
    """/dev/kmsg with lines of so many seconds ago, oldest first."""
    records = (f"{facility * 8 + 4},9,{int((UPTIME - ago) * 1e6)},-;{text}\n" for ago, text in lines)
    return {"/dev/kmsg": "5,0,0,-;Linux version 6.1\n" + "".join(records)}


def before(seconds_ago: float, **counters: int) -> Previous:
    """An earlier run of this boot; names with blanks by `**{…}`."""
    return Previous("then", seconds_ago, "boot", {"limits": {"TIME_WAIT table full": 0, **counters}})


WELL: Files = {
    **sysctl("fs/file-nr", 2000, 0, 400_000),
    **sysctl("fs/aio-nr", 0),
    **sysctl("fs/aio-max-nr", 65_536),
    **sysctl("kernel/pid_max", 32_768),
    **sysctl("kernel/threads-max", 60_000),
    **sysctl("kernel/msgmni", 20),
    **sysctl("vm/max_map_count", 65_530),
    **sysctl("net/ipv4/neigh/default/gc_thresh3", 1024),
    **sysctl("net/ipv6/neigh/default/gc_thresh3", 1024),
    **sysctl("net/ipv4/tcp_mem", 300, 400, 600),
    **sysctl("net/ipv4/udp_mem", 600, 800, 1200),
    **sysctl("net/ipv4/tcp_max_orphans", 1000),
    **sysctl("net/ipv4/tcp_max_tw_buckets", 1000),
    **sysctl("fs/inotify/max_user_instances", 4),
    **sysctl("fs/inotify/max_user_watches", 10),
    **neighbours(10),
    **neighbours(10, cache="ndisc_cache"),
    **sockstat(),
    **overflows(0),
    **group("", 0, "max"),
    **group("/a", 5, "max"),
    **log(),
    **process(1, "systemd", processes=62_000, opened=3),
    "/proc/loadavg": "0.10 0.20 0.30 2/500 1234\n",
    "/proc/uptime": f"{UPTIME:.2f} 1000.00\n",
    "/proc/key-users": "    0:     9 8/8 3/1000000 48/25000000\n",
    "/proc/self/status": "Name:\tpython3\nUid:\t0\t0\t0\t0\n",
    "/proc/self/cgroup": "0::/user.slice\n",
    "/proc/self/mountinfo": MOUNTS,
    "/sys/fs/cgroup/cgroup.controllers": "memory pids\n",
}


@dataclass(frozen=True)
class Case:
    """One line of a table; `then` is what is otherwise after the window."""

    outcome: str
    message: str
    files: Files = field(default_factory=dict)
    then: Files = field(default_factory=dict)
    previous: Previous = NOTHING_BEFORE
    uptime: float | None = UPTIME
    policy: dict[str, Any] = field(default_factory=dict)
    extends: str = "baseline"
    first: str = ""
    """How the evidence begins."""


def told(case: Case, check: str, tmp_path: Path) -> None:
    root = judged.write(tmp_path / "before", {**WELL, **case.files})
    then = judged.write(tmp_path / "then", {**WELL, **case.files, **case.then})
    by = judged.policy(extends=case.extends, limits=case.policy)
    asked = Request(least=int(by.limits.least), caches=by.limits.descriptor_caches)
    reading: Limits = judged.read("limits", root, then, asked)
    arguments = {"previous": case.previous, "facts": judged.facts(case.uptime)}
    said = judged.judge("limits", check, limits=reading, policy=by, **arguments)
    assert (said.outcome, said.message) == (case.outcome, case.message)
    assert not case.first or said.evidence[0].startswith(case.first)
