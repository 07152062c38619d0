"""Disks that are full, dead, read-only, slow, broken; real where mounts are concerned, told where devices are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab.faults import confirm, fault
from lab.host import LabHost
from lab.waiting import wait_until

DATA = "/srv/data"
"""Where the faults mount things."""


@fault(turns={"disks.space": "failed"})
def full_file_system(host: LabHost) -> Iterator[None]:
    """A small file system is written to until nothing more goes in."""
    with _mounted(host, "size=4m"):
        host.shell(f"cat /dev/zero >{DATA}/log", check=False)
        confirm(host.run(["cp", "/etc/passwd", f"{DATA}/more"], check=False).returncode != 0, host, DATA)
        yield


@fault(turns={"disks.space": "warned"})
def nearly_full_file_system(host: LabHost) -> Iterator[None]:
    """Of a small file system 4 % are left."""
    with _mounted(host, "size=25m"):
        host.run(["fallocate", "-l", "24m", f"{DATA}/log"])
        yield


@fault(turns={"disks.inodes": "failed"})
def no_inodes_left(host: LabHost) -> Iterator[None]:
    """On a file system with a thousand inodes each one has become an empty file."""
    with _mounted(host, "size=4m,nr_inodes=1000"):
        host.shell(f"cd {DATA} && for n in $(seq 1000); do : >$n; done", check=False)
        confirm(host.run(["touch", f"{DATA}/more"], check=False).returncode != 0, host, DATA)
        yield


@fault(turns={"disks.full_soon": "failed"})
def filling(host: LabHost) -> Iterator[None]:
    """Most of what an earlier run still found free is gone. To be injected between two runs, in `place_to_fill`."""
    host.run(["fallocate", "-l", "20m", f"{DATA}/log"])
    yield


@fault(turns={"disks.mounts_answer": "failed"})
def dead_mount(host: LabHost, count: int = 1) -> Iterator[None]:
    """A file system of a daemon that reads no request: whoever asks it waits for ever."""
    places = [DATA, *(f"{DATA}-{number}" for number in range(2, count + 1))]
    host.run(["mkdir", "-p", *places])
    host.shell("[ -e /dev/fuse ] || mknod /dev/fuse c 10 229")
    try:
        with host.background(["python3", "-I", "-c", _MUTE_DAEMON, *places]):
            last = f" {places[-1]} "
            wait_until(lambda: last in host.read("/proc/self/mountinfo"), within=10, what=f"{host.name}:{last}")
            try:
                yield
            finally:
                host.run(["umount", "-l", *places])
    finally:
        host.run(["rmdir", *places])


_MUTE_DAEMON = """
import ctypes, os, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
for place in sys.argv[1:]:
    device = os.open("/dev/fuse", os.O_RDWR)
    options = "fd={},rootmode=40000,user_id=0,group_id=0".format(device).encode()
    if libc.mount(b"mute", place.encode(), b"fuse.mute", 0, options):
        sys.exit(os.strerror(ctypes.get_errno()))
threading.Event().wait()
"""


@fault(turns={"disks.writable": "failed"})
def read_only_against_fstab(host: LabHost) -> Iterator[None]:
    """A file system that fstab mounts to be written to was remounted read-only."""
    before = host.read("/etc/fstab") if host.exists("/etc/fstab") else ""
    with _mounted(host, "size=1m"):
        host.write("/etc/fstab", f"{before}lab {DATA} tmpfs rw,noatime 0 0\n")
        host.run(["mount", "-o", "remount,ro", DATA])
        try:
            confirm(host.run(["touch", f"{DATA}/x"], check=False).returncode != 0, host, "writing")
            yield
        finally:
            host.write("/etc/fstab", before)


@fault(turns={"disks.deleted_files": "warned"})
def deleted_file_held_open(host: LabHost) -> Iterator[None]:
    """A log was deleted, and whoever writes it holds on to it. Of 8 MiB, where a policy wants less."""
    log = "/var/tmp/lab.log"
    host.run(["fallocate", "-l", "8m", log])
    with host.background(["sh", "-c", f"exec sleep infinity <{log}"]):
        wait_until(lambda: _holds(host, log), within=10, what=f"{host.name}: {log} to be open")
        host.run(["rm", log])
        yield


@fault(turns={"disks.mount": "failed"})
def mount_missing(host: LabHost) -> Iterator[None]:
    """Where a policy wants a file system there is a directory."""
    host.run(["mkdir", "-p", DATA])
    try:
        confirm(host.run(["mountpoint", "-q", DATA], check=False).returncode != 0, host, DATA)
        yield
    finally:
        host.run(["rmdir", DATA])


@fault(turns={"disks.mount": "failed"})
def mounted_otherwise(host: LabHost) -> Iterator[None]:
    """What a policy wants mounted without programs was mounted with them."""
    with _mounted(host, "size=1m"):
        yield


@contextmanager
def _mounted(host: LabHost, options: str) -> Iterator[None]:
    """A file system of its own at `DATA`."""
    host.run(["mkdir", "-p", DATA])
    host.run(["mount", "-t", "tmpfs", "-o", options, "lab", DATA])
    try:
        yield
    finally:
        host.run(["umount", DATA])
        host.run(["rmdir", DATA])


@contextmanager
def place_to_fill(host: LabHost) -> Iterator[None]:
    """A file system that `filling` can fill."""
    with _mounted(host, "size=24m"):
        yield


def _holds(host: LabHost, path: str) -> bool:
    return path in host.run(["sh", "-c", "ls -l /proc/[0-9]*/fd"], check=False).stdout
