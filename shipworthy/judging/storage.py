"""Storage behind a network: NFS and CIFS mounts, Fibre Channel, multipath devices.

In: the probe's reading, the policy, an earlier run's counters. Out: verdicts, one for each mount, port or device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shipworthy.judging.devices import WELL, added
from shipworthy.judging.disks import origin
from shipworthy.policy import HostPolicy, Verdict
from shipworthy.policy.language.units import SECONDS
from shipworthy.probes.parts.mounts import Mounted
from shipworthy.probes.parts.nfs import Calls
from shipworthy.probes.parts.san import FcPort, Multipath, San
from shipworthy.snapshot import Previous

NFS = ("nfs", "nfs4")
CIFS = ("cifs", "smb3")

_NFS_RISKS = ("soft", "softerr", "nolock", "local_lock=all", "local_lock=posix", "local_lock=flock")
_CIFS_RISKS = ("nobrl",)


def option_verdicts(mounts: Sequence[Mounted], policy: HostPolicy) -> Iterator[Verdict]:
    """Options by which writes or locks are lost; what is read-only has neither to lose."""
    limit = policy.disks.options_at_risk
    for one in mounts:
        known = _NFS_RISKS if one.type in NFS else _CIFS_RISKS
        risks = [option for option in one.options if option in known and "ro" not in one.options]
        what = f"{one.path}: {limit.words}"
        yield limit.allows(len(risks), what=what, evidence=[f"{', '.join(risks)}: {origin(one)}"])


def arrival_verdicts(calls: Sequence[Calls], policy: HostPolicy) -> Iterator[Verdict]:
    """Calls that were in vain, and those that had to be sent again."""
    limits = policy.disks
    for one in calls:
        yield limits.nfs_timeouts.allows(one.timeouts, what=f"{one.path}: {limits.nfs_timeouts.words}")
        if one.calls >= limits.nfs_floor:
            share = min(100.0, 100.0 * one.retransmissions / one.calls)
            evidence = [f"{one.retransmissions} sendings too many for {one.calls} calls"]
            what = f"{one.path}: {limits.nfs_retransmitted.words}"
            yield limits.nfs_retransmitted.allows(share, what=what, evidence=evidence)


def trip_verdicts(calls: Sequence[Calls], policy: HostPolicy) -> Iterator[Verdict]:
    """How long servers take to answer."""
    limits = policy.disks
    for one in calls:
        if one.calls >= limits.nfs_floor:
            waited = SECONDS.format(one.queue_seconds or 0.0)
            evidence = [f"{one.calls} calls; before it was sent, a mean one had waited {waited} here"]
            yield limits.nfs_trip.allows(
                one.trip_seconds, what=f"{one.path}: {limits.nfs_trip.words}", evidence=evidence
            )


def port_verdicts(san: San, policy: HostPolicy) -> list[Verdict]:
    """Ports of this host, and of the arrays that it knows."""
    limits = policy.disks
    down = [f"{one.name} ({one.port_name}) is {one.state}" for one in san.ports if one.state != "Online"]
    lost = [
        f"{one.port_name} is {one.state}; dev_loss_tmo {one.dev_loss_tmo}, fast_io_fail_tmo {one.fast_io_fail_tmo}"
        for one in san.targets
        if one.state != "Online"
    ]
    return [
        limits.fc_ports_online.allows(len(san.ports) - len(down), evidence=down[:4]),
        limits.fc_ports_down.allows(len(down), evidence=down[:4]),
        limits.fc_targets_lost.allows(len(lost), evidence=lost[:4]),
    ]


def link_verdicts(ports: Sequence[FcPort], policy: HostPolicy, previous: Previous) -> Iterator[Verdict]:
    """What each port has counted as wrong with its link."""
    limit = policy.disks.fc_errors
    for port in ports:
        more = added(sum(port.errors.values()), port.errors_in_window, previous, f"fc_errors {port.name}")
        counts = ", ".join(f"{kind} {count}" for kind, count in port.errors.items() if count)
        what = f"{port.name}: {limit.words} {more.since}"
        yield limit.allows(more.number, what=what, evidence=[f"since its driver was loaded: {counts}"])


def path_verdicts(devices: Sequence[Multipath], policy: HostPolicy) -> Iterator[Verdict]:
    """Paths that work of each multipath device, and the adapters that they lead through."""
    limits = policy.disks
    for device in devices:
        name = device.label or device.device
        works = [path for path in device.paths if path.state in WELL]
        evidence = [f"{path.device} is {path.state}" for path in device.paths if path not in works][:5]
        if device.queues:
            evidence.append("queue_if_no_path: without a path, I/O waits for ever")
        yield limits.paths.allows(len(works), what=f"{name}: {limits.paths.words}", evidence=evidence)
        hosts = {path.host for path in works}
        if len(works) > 1 and None not in hosts:  # a path that is no SCSI device tells no adapter
            yield limits.path_hosts.allows(len(hosts), what=f"{name}: {limits.path_hosts.words}", evidence=evidence)
