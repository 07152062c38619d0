"""Small recorded trees of hosts with disks, made by a few lines each, and the real checks' verdicts on them.

In: files by path (None: not there), the same after the window, an earlier run's counters, a policy as people write it.
Out: `Judged`, as the suite would tell it. Nothing of this machine is seen, and no process is started.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selftest import judged
from shipworthy.checks import Item
from shipworthy.outcome import Judged
from shipworthy.snapshot import NOTHING_BEFORE, Previous

Files = Mapping[str, "str | None"]

GIB = 2**30
BLOCK = 4096
ROOT_MOUNT = "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
MOUNTINFO = "/proc/self/mountinfo"
DISKSTATS = "/proc/diskstats"


def mount(
    path: str,
    type: str = "ext4",
    source: str = "/dev/vdb1",
    *,
    options: str = "rw,relatime",
    inner: str = "rw",
    device: str = "254:17",
    root: str = "/",
    id: int = 40,
    parent: int = 22,
) -> str:
    """A line of mountinfo."""
    return f"{id} {parent} {device} {root} {path} {options} shared:2 - {type} {source} {inner}\n"


def mounts(*lines: str) -> Files:
    """A root file system, and these."""
    return {MOUNTINFO: ROOT_MOUNT + "".join(lines)}


def room(
    path: str, gib: float, percent: float, *, inodes: int = 6_000_000, inodes_percent: float = 90, kept: float = 5
) -> Files:
    """What statvfs says of a file system of so many GiB, so much of which is left besides what is kept for root."""
    blocks = int(gib * GIB / BLOCK)
    left = blocks * percent / 100
    numbers = {
        "frsize": BLOCK,
        "blocks": blocks,
        "bfree": int(left + blocks * kept / 100),
        "bavail": int(left),
        "files": inodes,
        "ffree": int(inodes * inodes_percent / 100),
    }
    return {f"/statvfs/{path.replace('/', '%2F')}": "".join(f"{name} {value}\n" for name, value in numbers.items())}


def silent(path: str, doing: str = "no answer within 5 s: state D, in rpc_wait_bit_killable") -> Files:
    """A file system that gives no answer."""
    return {f"/statvfs/{path.replace('/', '%2F')}": f"{doing}\n"}


def deleted(
    pid: int, path: str, mib: int, *, inode: int = 77, device: str = "254 1", nlink: int = 0, descriptor: int = 1
) -> Files:
    """A process that holds a deleted file."""
    major, minor = device.split()
    said = f"major {major}\nminor {minor}\ninode {inode}\nnlink {nlink}\nblocks {mib * 2048}\n"
    return {
        f"/proc/{pid}/fd/{descriptor}": f"link:{path} (deleted)",
        f"/proc/{pid}/comm": "java\n",
        f"/stat/%2Fproc%2F{pid}%2Ffd%2F{descriptor}": said,
    }


def connected(pid: int, sockets: int) -> Files:
    """A process that holds so many sockets, and nothing else."""
    return {f"/proc/{pid}/fd/{number}": f"link:socket:[{90_000 + number}]" for number in range(sockets)}


def disk(name: str = "vda", *, reads: int = 0, ms: int = 0, in_flight: int = 0, sectors: int = 0) -> str:
    """A line of diskstats, as since Linux 5.5: what a disk says that works, and what has moved besides."""
    read = f"{1000 + reads} 5 {80_000 + sectors} {900 + ms}"
    return f" 254 0 {name} {read} 700 9 60000 800 {in_flight} 500 1700 3 0 9 1 2 1\n"


WELL: Files = {
    MOUNTINFO: ROOT_MOUNT,
    "/proc/self/status": "Name:\tx\nUid:\t0\t0\t0\t0\n",
    "/proc/self/mountstats": "device /dev/vda1 mounted on / with fstype ext4\n",
    DISKSTATS: disk(),
    "/sys/block/vda/queue/rotational": "0\n",
    **room("/", 40, 50),
}
"""A host that is well: one disk with one file system, half of which is left."""


@dataclass(frozen=True)
class Case:
    """One line of a table."""

    outcome: str
    message: str
    files: Files = field(default_factory=dict)
    then: Files = field(default_factory=dict)
    previous: Previous = NOTHING_BEFORE
    policy: dict[str, Any] = field(default_factory=dict)
    seconds: float = 1.0
    first: str = ""
    """How the evidence begins."""
    extends: str = "baseline"


def ago(seconds: float, **counters: int) -> Previous:
    """An earlier run, and what it counted."""
    return Previous("2026-11-23T05:00:00+00:00", seconds, "boot", {"disks": counters})


def judge(case: Case, test: str, tmp_path: Path, item: tuple[str, str] | None = None) -> Judged:
    """What the check called `test` concludes; `item` is the field and the name of what the policy names."""
    before = judged.write(tmp_path / "before", {**WELL, **case.files})
    then = judged.write(tmp_path / "then", {**WELL, **case.files, **case.then})
    policy = judged.policy(extends=case.extends, disks=case.policy)
    every = frozenset(
        f"disks.{name}" for name in ("space", "thin_pools", "mounts_answer", "writable", "corruption", "deleted_files")
    )
    every |= {f"disks.{name}" for name in ("wait", "nfs_calls", "fc_ports", "mount", "device_load", "nfs_trip")}
    reading = judged.read("disks", before, then, policy.disks.request(every), case.seconds)
    given: dict[str, Any] = {"disks": reading, "policy": policy, "previous": case.previous, "facts": judged.facts()}
    if item:
        given["item"] = Item(item[1], getattr(policy.disks, item[0])[item[1]])
    return judged.judge("disks", test, **given)


def told(case: Case, test: str, tmp_path: Path, item: tuple[str, str] | None = None) -> None:
    """The check's outcome and message are those of the table."""
    said = judge(case, test, tmp_path, item)
    assert (said.outcome, said.message) == (case.outcome, case.message), said
    assert not case.first or said.evidence[0].startswith(case.first), said.evidence
