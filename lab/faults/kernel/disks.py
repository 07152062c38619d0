"""File systems on real block devices that are full, and that fail while they are used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab.faults import confirm, fault
from lab.host import LabHost
from lab.waiting import wait_until

DATA = "/srv/data"
_IMAGE = "/var/tmp/disk.img"
_SECTORS = 64 * 2048


@fault(turns={"disks.space": "failed"})
def full_root(host: LabHost) -> Iterator[None]:
    """The root file system is full, to root's last reserve."""
    log = "/var/log/endless.log"
    try:
        host.shell(f"fallocate -l $(df --output=avail -B1 / | tail -n 1) {log}; cat /dev/zero >>{log}", check=False)
        confirm(host.run(["cp", "/etc/services", "/srv/more"], check=False).returncode != 0, host, "/ takes more")
        yield
    finally:
        host.run(["rm", "-f", log, "/srv/more"])


@fault(turns={"disks.inodes": "failed"})
def no_inodes_left(host: LabHost) -> Iterator[None]:
    """An ext4 file system has room, and no inode for another file."""
    with _disk(host, "-N", "256") as device, _mounted(host, device):
        host.shell(f"cd {DATA} && n=0 && while : >$n; do n=$((n + 1)); done", check=False)
        confirm(host.run(["touch", f"{DATA}/more"], check=False).returncode != 0, host, f"{DATA} takes more")
        yield


@fault(turns={"disks.corruption": "failed"})
def device_failed(host: LabHost) -> Iterator[None]:
    """A device began to fail each request: ext4 gave up its journal, and takes no more writes.

    Its kernel says "Remounting filesystem read-only", and goes on to tell `rw` in mountinfo.
    """
    with _disk(host) as device, _mapped(host, device) as mapped, _mounted(host, mapped):
        host.write(f"{DATA}/file", "before\n")
        host.run(["sync"])
        _map(host, f"0 {_SECTORS} error")
        write = f"echo after >{DATA}/file && sync -f {DATA} && touch {DATA}/more"
        wait_until(lambda: "Read-only" in _complaint(host, write), within=30, what=f"{host.name}: {DATA} read-only")
        yield


def _complaint(host: LabHost, script: str) -> str:
    return host.run(["sh", "-c", script], check=False).stderr


@contextmanager
def _disk(host: LabHost, *options: str) -> Iterator[str]:
    """A block device with an ext4 of 64 MiB."""
    host.run(["truncate", "-s", str(_SECTORS * 512), _IMAGE])
    host.run(["mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1", *options, _IMAGE])
    device = host.run(["losetup", "--find", "--show", _IMAGE]).stdout.strip()
    try:
        yield device
    finally:
        host.run(["losetup", "-d", device])
        host.run(["rm", _IMAGE])


@contextmanager
def _mapped(host: LabHost, device: str) -> Iterator[str]:
    """The same device, through the device mapper."""
    host.run(["dmsetup", "create", "lab"], input=f"0 {_SECTORS} linear {device} 0\n")
    try:
        yield "/dev/mapper/lab"
    finally:
        host.run(["dmsetup", "remove", "--retry", "lab"])


def _map(host: LabHost, table: str) -> None:
    host.run(["dmsetup", "suspend", "--nolockfs", "--noflush", "lab"])
    host.run(["dmsetup", "load", "lab"], input=f"{table}\n")
    host.run(["dmsetup", "resume", "lab"])


@contextmanager
def _mounted(host: LabHost, device: str) -> Iterator[None]:
    host.run(["mkdir", "-p", DATA])
    host.run(["mount", "-o", "errors=remount-ro", device, DATA])
    try:
        yield
    finally:
        host.run(["umount", DATA])
