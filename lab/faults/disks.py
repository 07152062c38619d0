"""Disks that are full, dead, read-only, slow, broken; real where mounts are concerned, told where devices are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from lab.faults import confirm, fault
from lab.host import LabHost
from lab.proc import prepared
from lab.rising import rising
from lab.trees import OF_ITSELF, prepared_self, prepared_tree
from lab.waiting import wait_until

DATA = "/srv/data"
"""Where the faults mount things."""
DISK = "sdy"
"""A SCSI disk that no machine has."""

_NFS_OPTIONS = (
    "rw,vers=4.2,rsize=1048576,wsize=1048576,namlen=255,hard,proto=tcp,timeo=600,retrans=2,sec=sys,addr=10.77.0.1"
)
_MOUNTSTATS = """\
device files:/export mounted on /srv/data with fstype nfs4 statvers=1.1
\topts:\trw,vers=4.2,hard,proto=tcp
\tage:\t1000
\tRPC iostats version: 1.1  p/v: 100003/4 (nfs)
\txprt:\ttcp 876 1 3 0 0 123 123 0 123 0 2 0 0
\tper-op statistics
\t        NULL: 1 1 0 44 24 0 0 0 0
\t        READ: 1000000 1000000 10 100 100 1000000 1000000 1000000 0
"""
_READ = r"READ: (\d+)"
_SENT = r"READ: \d+ (\d+)"
_TRIP = r"READ: (?:\d+ ){6}(\d+)"


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


@fault(turns={"disks.corruption": "failed"})
def recorded_errors(host: LabHost) -> Iterator[None]:
    """An ext4 file system has found itself damaged three times."""
    files = {
        "sdy1/errors_count": "3\n",
        "sdy1/last_error_func": "ext4_lookup\n",
        "sdy1/last_error_time": "1790000000\n",
    }
    with prepared_tree(host, "/sys/fs/ext4", files):
        yield


@fault(turns={"disks.device_errors": "failed"})
def timeouts(host: LabHost) -> Iterator[None]:
    """A disk leaves one command after the other without an answer."""
    path = f"/sys/block/{DISK}/device/iotmo_cnt"
    with _disk(host), rising(host, path, {r"0x(\d+)": 100}):
        yield


@fault(turns={"disks.device_errors": "warned"})
def io_errors(host: LabHost) -> Iterator[None]:
    """A disk fails one command after the other."""
    path = f"/sys/block/{DISK}/device/ioerr_cnt"
    with _disk(host), rising(host, path, {r"0x(\d+)": 100}):
        yield


@fault(turns={"disks.devices_run": "failed"})
def disk_offline(host: LabHost) -> Iterator[None]:
    """The kernel has given a disk up."""
    with _disk(host, state="offline"):
        yield


@fault(turns={"disks.io_moves": "failed"})
def stuck_disk(host: LabHost) -> Iterator[None]:
    """Three requests are on their way to a disk, and none comes back."""
    with _disk(host, in_flight=3):
        yield


@fault(turns={"disks.wait": "warned"})
def slow_disk(host: LabHost) -> Iterator[None]:
    """A disk takes a quarter of a second for a read."""
    with _disk(host), rising(host, "/proc/diskstats", {_column(1): 200, _column(4): 50_000}):
        yield


@fault(turns={"disks.device_load": "failed"})
def busy_disk(host: LabHost) -> Iterator[None]:
    """A disk does two thousand reads a second, which is more than a policy allows."""
    with _disk(host), rising(host, "/proc/diskstats", {_column(1): 2000, _column(4): 2000}):
        yield


@fault(turns={"disks.deleted_files": "warned"})
def deleted_file_held_open(host: LabHost) -> Iterator[None]:
    """A log was deleted, and whoever writes it holds on to it. Of 8 MiB, where a policy wants less."""
    log = "/var/tmp/lab.log"
    host.run(["fallocate", "-l", "8m", log])
    with host.background(["sh", "-c", f"exec sleep infinity <{log}"]):
        wait_until(lambda: _holds(host, log), within=10, what=f"{host.name}: {log} to be open")
        host.run(["rm", log])
        yield


@fault(turns={"disks.network_options": "warned"})
def soft_mount(host: LabHost) -> Iterator[None]:
    """NFS is mounted softly, with locks of its own."""
    with _nfs(host, _NFS_OPTIONS.replace("hard", "soft,local_lock=all")):
        yield


@fault(turns={"disks.nfs_calls": "failed"})
def lost_calls(host: LabHost) -> Iterator[None]:
    """Every second call to an NFS server must be sent again."""
    with _nfs(host), rising(host, f"{OF_ITSELF}/mountstats", {_READ: 200, _SENT: 300}):
        yield


@fault(turns={"disks.nfs_trip": "failed"})
def slow_server(host: LabHost) -> Iterator[None]:
    """An NFS server takes a quarter of a second for an answer."""
    with _nfs(host), rising(host, f"{OF_ITSELF}/mountstats", {_READ: 200, _SENT: 200, _TRIP: 50_000}):
        yield


@fault(turns={"disks.fc_ports": "warned"})
def fibre_unplugged(host: LabHost) -> Iterator[None]:
    """Of two Fibre Channel ports one has lost its link."""
    with prepared_tree(host, "/sys/class", {**_fc_port(3, "Online"), **_fc_port(4, "Linkdown")}):
        yield


@fault(turns={"disks.fc_errors": "failed"})
def dirty_fibre(host: LabHost) -> Iterator[None]:
    """A Fibre Channel link spoils one word after the other."""
    path = "/sys/class/fc_host/host3/statistics/invalid_tx_word_count"
    with prepared_tree(host, "/sys/class", _fc_port(3, "Online")), rising(host, path, {r"0x(\d+)": 1000}):
        yield


@fault(turns={"disks.iscsi_sessions": "failed"})
def iscsi_session_lost(host: LabHost) -> Iterator[None]:
    """An iSCSI session tries in vain to log in again."""
    session = {"state": "FAILED\n", "targetname": "iqn.2004-04.example:array\n"}
    with prepared_tree(host, "/sys/class", {f"iscsi_session/session1/{name}": text for name, text in session.items()}):
        yield


@fault(turns={"disks.multipath": "failed"})
def last_path_lost(host: LabHost) -> Iterator[None]:
    """Both paths of a multipath device have gone."""
    device = {"dm/uuid": "mpath-3600a098038303053\n", "dm/name": "mpatha\n", "slaves/sdx": "", f"slaves/{DISK}": ""}
    paths = {"sdx/device/state": "blocked\n", f"{DISK}/device/state": "offline\n"}
    files = {**{f"dm-90/{name}": text for name, text in device.items()}, **paths}
    with prepared_tree(host, "/sys/block", files):
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


@contextmanager
def _disk(host: LabHost, *, state: str = "running", in_flight: int = 0) -> Iterator[None]:
    """A disk that the kernel tells of."""
    numbers = ["1000000"] * 8 + [str(in_flight)] + ["1000000"] * 2
    line = f"   8     400 {DISK} {' '.join(numbers)}\n"
    files = {"state": f"{state}\n", "ioerr_cnt": "0x00001000\n", "iotmo_cnt": "0x00001000\n"}
    with (
        prepared_tree(host, "/sys/block", {f"{DISK}/device/{name}": text for name, text in files.items()}),
        prepared(host, "/proc/diskstats", lambda text: text + line),
    ):
        yield


def _column(number: int) -> str:
    """The so-many-th number of the disk in diskstats, as `rising` looks for it."""
    return rf"{DISK} {'[0-9]+ ' * (number - 1)}(\d+)"


@contextmanager
def _nfs(host: LabHost, options: str = _NFS_OPTIONS) -> Iterator[None]:
    """An NFS mount that python3 is told of; the kernel of this machine need not know NFS."""
    host.run(["mkdir", "-p", DATA])
    mounts = host.read("/proc/self/mountinfo")
    root = re.search(r"^(\d+) \d+ \S+ \S+ / ", mounts, re.MULTILINE)
    confirm(root is not None, host, "a mount of /")
    line = f"9001 {root and root[1]} 0:999 / {DATA} rw,relatime shared:1 - nfs4 files:/export {options}\n"
    with ExitStack() as stack:
        stack.callback(host.run, ["rmdir", DATA])
        stack.enter_context(prepared_self(host, {"mountinfo": mounts + line, "mountstats": _MOUNTSTATS}))
        yield


def _fc_port(number: int, state: str) -> Mapping[str, str]:
    counts = ("link_failure_count", "loss_of_sync_count", "invalid_crc_count", "invalid_tx_word_count")
    files = {f"statistics/{name}": "0x00001000\n" for name in counts}
    files.update(port_state=f"{state}\n", port_name=f"0x1000000000000{number:03}\n", speed="16 Gbit\n")
    return {f"fc_host/host{number}/{name}": text for name, text in files.items()}


def _holds(host: LabHost, path: str) -> bool:
    return path in host.run(["sh", "-c", "ls -l /proc/[0-9]*/fd"], check=False).stdout
