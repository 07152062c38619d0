"""Disks: what is bounded, by default and strictly, and what the probe is asked for that.

Facts and formulas: kernel Documentation/admin-guide/iostats, statvfs(3), proc_pid_mountinfo(5), net/sunrpc/stats.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from shipworthy.policy._disks_items import Device, Mount
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import Items, SubjectPolicy, limit, setting
from shipworthy.policy.language.units import BYTES, COUNT, PERCENT, SECONDS

if TYPE_CHECKING:
    from shipworthy.probes.disks import Request

_WINDOW = frozenset({"device_errors", "devices_run", "io_moves", "wait", "device_load"})
_NFS = frozenset({"nfs_calls", "nfs_trip"})
_SAN = frozenset({"fc_ports", "fc_errors", "iscsi_sessions", "multipath"})


class Policy(SubjectPolicy):
    """Space, mounts that answer, block devices, network file systems, storage networks."""

    mounts: Items[Mount] = Field({}, description="Mounts that must be there, by path.")
    devices: Items[Device] = Field({}, description="Block devices with declared caps, by name.")
    space: Limit = limit(
        PERCENT,
        warn_below="5 %",
        fail_below="3 %",
        words="space left",
        says="What f_bavail leaves of a file system that can be written to; root's reserve is not left.",
        source="node-mixin NodeFilesystemAlmostOutOfSpace: 5 % warns, 3 % is critical",
    )
    space_enough: float = setting(
        BYTES, "20 GiB", says="What has so much left is not short of space, whatever the share.", source="judgement"
    )
    inodes: Limit = limit(
        PERCENT,
        warn_below="5 %",
        fail_below="3 %",
        words="inodes left",
        says="Inodes left of a file system that has a fixed number of them.",
        source="node-mixin NodeFilesystemAlmostOutOfFiles: 5 % warns, 3 % is critical",
    )
    inodes_enough: float = setting(
        COUNT, "100000", says="A file system with so many inodes left is not short of them.", source="judgement"
    )
    thin_data: Limit = limit(
        PERCENT,
        warn_above="80 %",
        fail_above="90 %",
        check="thin_pools",
        words="data used",
        says="What of a thin pool is used; how much each of its volumes is promised does not count.",
        source="judgement; lvmthin(7): a pool that is full makes its volumes fail",
    )
    thin_metadata: Limit = limit(
        PERCENT,
        warn_above="80 %",
        fail_above="90 %",
        check="thin_pools",
        words="metadata used",
        says="The same of its metadata, which are harder to mend.",
        source="judgement",
    )
    filling: Limit = limit(
        SECONDS,
        warn_below="1 d",
        fail_below="4 h",
        check="full_soon",
        words="time until it is full",
        says="When a file system will be full if it goes on filling as it did since an earlier run.",
        source="node-mixin NodeFilesystemSpaceFillingUp: 24 h warns, 4 h is critical",
    )
    filling_below: float = setting(
        PERCENT, "40 %", says="What has more left is not judged.", source="node-mixin: fsSpaceFillingUpWarningThreshold"
    )
    filling_over: float = setting(
        SECONDS, "1 h", says="The earlier run must be so long ago: minutes are no trend.", source="judgement"
    )
    answer_within: float = setting(
        SECONDS, "5 s", says="How long file systems have for an answer.", source="node_exporter: mount-timeout 5 s"
    )
    corruption: Limit = limit(
        COUNT,
        fail_above="0",
        words="errors recorded",
        says="Errors that a file system has recorded of itself (ext4 errors_count, btrfs error_stats).",
        source="judgement: nobody knows what they have damaged until it is checked",
    )
    device_errors: Limit = limit(
        COUNT,
        warn_above="10",
        words="I/O errors",
        says="Commands that a SCSI device failed since the earlier run, or in the window (ioerr_cnt).",
        source="judgement: a query that a device refuses counts there too",
    )
    device_timeouts: Limit = limit(
        COUNT,
        warn_above="0",
        fail_above="10",
        check="device_errors",
        words="I/O timeouts",
        says="Commands that a SCSI device did not answer since the earlier run, or in the window (iotmo_cnt).",
        source="judgement",
    )
    wait: Limit = limit(
        SECONDS,
        warn_above="100 ms",
        words="mean wait for a read or write",
        says="Time in queue and device of reads and writes that the window completed.",
        source="judgement: latency, since queue length and utilisation mislead on arrays and NVMe",
    )
    wait_operations: float = setting(
        COUNT, "50", says="Fewer reads and writes in the window have no mean worth judging.", source="judgement"
    )
    deleted_files: Limit = limit(
        BYTES,
        warn_above="1 GiB",
        words="in deleted files",
        says="Space of a file system in files that were deleted and are still open.",
        source="judgement",
    )
    deleted_share: float = setting(
        PERCENT, "10 %", says="Only if it is at least so much of the file system as well.", source="judgement"
    )
    deleted_unread: Limit = limit(
        COUNT,
        warn_above=None,
        check="deleted_files",
        words="descriptors taken for sockets, and not read",
        says="Of a process with over 1,024 descriptors, those between two sockets are not read, for that is dear.",
        source="judgement: what has so many descriptors is a server, and they are its connections",
    )
    deleted_whole: float = setting(
        PERCENT,
        "80 %",
        says="Where more of a file system is used, every descriptor is read; 0 %: always.",
        source="judgement: what deleted files hide matters where space runs out",
    )
    options_at_risk: Limit = limit(
        COUNT,
        warn_above="0",
        check="network_options",
        words="options that lose writes or locks",
        says="Of NFS: soft, nolock, local_lock; of CIFS: nobrl; where it is mounted to be written to.",
        source="nfs(5): soft may cause silent data corruption; mount.cifs(8): nobrl sends no byte range locks",
    )
    nfs_trip: Limit = limit(
        SECONDS,
        warn_above="20 ms",
        fail_above="100 ms",
        words="mean round trip of an NFS call",
        says="From the sending of a call to its answer, in the window.",
        source="judgement",
    )
    nfs_floor: float = setting(
        COUNT, "20", says="Fewer NFS calls in the window have no mean or share worth judging.", source="judgement"
    )
    nfs_retransmitted: Limit = limit(
        PERCENT,
        warn_above="0 %",
        fail_above="5 %",
        check="nfs_calls",
        words="NFS calls retransmitted",
        says="Calls of the window that had to be sent again; over TCP that is a connection lost or a server stuck.",
        source="judgement; nfsstat(8): retransmissions should be none",
    )
    nfs_timeouts: Limit = limit(
        COUNT,
        fail_above="0",
        check="nfs_calls",
        words="NFS calls that ran into their timeout",
        says="Calls of the window to which every transmission was in vain.",
        source="judgement: whoever called waited for minutes",
    )
    fc_ports_online: Limit = limit(
        COUNT,
        fail_below="1",
        check="fc_ports",
        words="Fibre Channel ports online",
        says="Ports of this host that are online, where there are some.",
        source="judgement",
    )
    fc_ports_down: Limit = limit(
        COUNT,
        warn_above="0",
        check="fc_ports",
        words="Fibre Channel ports that are not online",
        says="A port without a cable is one of them: raise it where that is meant.",
        source="judgement",
    )
    fc_targets_lost: Limit = limit(
        COUNT,
        warn_above="0",
        check="fc_ports",
        words="targets that are not online",
        says="Ports of arrays that this host knows and does not reach.",
        source="judgement",
    )
    fc_errors: Limit = limit(
        COUNT,
        warn_above="0",
        fail_above="100",
        words="link errors",
        says="Link failures, losses of signal, invalid words and checksums since the earlier run, or in the window.",
        source="judgement",
    )
    iscsi_sessions_down: Limit = limit(
        COUNT,
        fail_above="0",
        check="iscsi_sessions",
        words="iSCSI sessions that are not logged in",
        says="Sessions in another state than LOGGED_IN.",
        source="kernel scsi_transport_iscsi.c: I/O waits in every other state",
    )
    paths: Limit = limit(
        COUNT,
        warn_below="2",
        fail_below="1",
        check="multipath",
        words="paths that work",
        says="Paths of a multipath device whose device is running.",
        source="judgement: one path is no multipath",
    )
    path_hosts: Limit = limit(
        COUNT,
        warn_below="2",
        check="multipath",
        words="adapters that its paths lead through",
        says="Distinct SCSI hosts among the paths that work, where they are SCSI devices.",
        source="judgement: paths through one adapter fail together",
    )
    top: float = setting(COUNT, "5", says="How many deleted files are named as evidence.", source="judgement")

    STRICT: ClassVar[dict[str, Any]] = {
        "space": {"warn_below": "10 %", "fail_below": "5 %"},
        "inodes": {"warn_below": "10 %", "fail_below": "5 %"},
        "device_errors": {"warn_above": "0", "fail_above": "10"},
        "device_timeouts": {"fail_above": "0"},
        "wait": {"warn_above": "50 ms", "fail_above": "100 ms"},
        "deleted_files": {"fail_above": "1 GiB"},
        "options_at_risk": {"fail_above": "0"},
        "nfs_retransmitted": {"fail_above": "0 %"},
        "fc_ports_down": {"fail_above": "0"},
        "fc_targets_lost": {"fail_above": "0"},
        "fc_errors": {"fail_above": "0"},
        "paths": {"fail_below": "2"},
        "path_hosts": {"fail_below": "2"},
    }

    def request(self, checks: frozenset[str]) -> Request | None:
        """The parts of the reading that `checks` judge by; beyond the doubts, a longer window is taken."""
        wanted = {check.partition(".")[2] for check in checks if check.startswith("disks.")}
        if not wanted:
            return None
        from shipworthy.probes.disks import Request  # only for what is asked: an engineer waits

        return Request(
            space=not wanted.isdisjoint({"space", "inodes", "full_soon", "mounts_answer", "deleted_files"}),
            thin="thin_pools" in wanted,
            devices=not wanted.isdisjoint(_WINDOW),
            nfs=not wanted.isdisjoint(_NFS),
            san=not wanted.isdisjoint(_SAN),
            read_only="writable" in wanted,
            corruption="corruption" in wanted,
            deleted="deleted_files" in wanted,
            deleted_whole_percent=self.deleted_whole,
            mounts={path: mount.source for path, mount in self.mounts.items()},
            answer_seconds=self.answer_within,
            top=int(self.top),
            doubt_wait_seconds=self.wait.doubt if "wait" in wanted else None,
            least_operations=int(self.wait_operations),
            doubt_operations_per_second=self._doubts(wanted, "operations"),
            doubt_bytes_per_second=self._doubts(wanted, "throughput"),
            doubt_trip_seconds=self.nfs_trip.doubt if "nfs_trip" in wanted else None,
            least_calls=int(self.nfs_floor),
        )

    def _doubts(self, wanted: set[str], cap: str) -> dict[str, float]:
        """Only what is judged is worth a second look."""
        if "device_load" not in wanted:
            return {}
        doubts = {name: getattr(device, cap).doubt for name, device in self.devices.items()}
        return {name: doubt for name, doubt in doubts.items() if doubt is not None}
