"""Block devices, NFS and storage networks that are slow, stuck, broken; told, since namespaces share what is there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from lab.faults import confirm, fault
from lab.faults.disks import DATA
from lab.host import LabHost
from lab.proc import prepared
from lab.rising import rising
from lab.trees import OF_ITSELF, prepared_self, prepared_tree

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


@fault(turns={"disks.thin_pools": "failed"})
def full_thin_pool(host: LabHost) -> Iterator[None]:
    """Of a thin pool 97 % are used."""
    pool, program = "vg-pool-tpool", "/sbin/dmsetup"
    said = f"{pool}: 0 2097152 thin-pool 1 26/1024 7946/8192 - rw discard_passdown queue_if_no_space - 1024"
    files = {"dm-91/dm/uuid": "LVM-abcdef-tpool\n", "dm-91/dm/name": f"{pool}\n"}
    host.write("/run/dmsetup", f"#!/bin/sh\n[ $1 = status ] && echo '{said}'\n", mode="755")
    host.run(["touch", program])
    host.run(["mount", "--bind", "/run/dmsetup", program])
    try:
        with prepared_tree(host, "/sys/block", files):
            yield
    finally:
        host.run(["umount", program])


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
