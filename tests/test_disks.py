"""Disks: room is left, every mount answers and can be written to, devices work, and so does storage behind networks."""

from shipworthy.checks import Item, asked, check, does_not_apply, seen
from shipworthy.judging.devices import WELL, corruption_verdicts, error_verdicts, load_verdicts, stuck, wait_verdicts
from shipworthy.judging.disks import (
    dead,
    deleted_verdicts,
    filling_verdicts,
    inode_verdict,
    needs_all,
    origin,
    rooms,
    space_verdicts,
    thin_verdicts,
    wrong_about,
)
from shipworthy.judging.storage import (
    CIFS,
    NFS,
    arrival_verdicts,
    link_verdicts,
    option_verdicts,
    path_verdicts,
    port_verdicts,
    trip_verdicts,
)
from shipworthy.policy import HostPolicy
from shipworthy.policy._disks_items import Device, Mount
from shipworthy.policy.language.units import SECONDS
from shipworthy.probes.disks import Disks
from shipworthy.snapshot import Facts, Previous


@check("disks.space")
def test_space_is_left(disks: Disks, policy: HostPolicy) -> None:
    """Every file system that can be written to has space left.

    Why: what cannot write fails in ways of its own, and databases fail worst; root's reserve helps no service.
    Look: `df -h`; `du -x --max-depth=2` of the mount; disks.deleted_files for what `du` does not find.
    """
    file_systems = seen(disks, "file_systems")
    verdicts = [verdict for room in rooms(file_systems) for verdict in space_verdicts(room, policy)]
    needs_all(file_systems, verdicts)
    assert all(verdicts)


@check("disks.inodes")
def test_inodes_are_left(disks: Disks, policy: HostPolicy) -> None:
    """Every file system with a fixed number of inodes has some left.

    Why: without one no file can be made, however much space there is.
    Look: `df -i`; a directory with very many small files: sessions, mail, caches.
    """
    file_systems = seen(disks, "file_systems")
    verdicts = [inode_verdict(room, policy) for room in rooms(file_systems) if room.space.inodes]
    needs_all(file_systems, verdicts)
    if not verdicts:
        does_not_apply("no file system here has a fixed number of inodes")
    assert all(verdicts)


@check("disks.thin_pools")
def test_thin_pools_have_room(disks: Disks, policy: HostPolicy) -> None:
    """Every thin pool works, and has data and metadata left.

    Why: its volumes were promised more than there is, and all of them fail when it is full.
    Look: `lvs -a -o+data_percent,metadata_percent`; `lvextend` the pool; `fstrim` what lies on it.
    """
    pools = seen(disks, "thin")
    if not pools:
        does_not_apply("there is no thin pool here")
    verdicts = list(thin_verdicts(pools, policy))
    assert all(verdicts)
    lines = [f"{one.label} is {one.mode}" for one in pools if one.mode != "rw"]
    assert not lines, _told(*lines)


@check("disks.full_soon")
def test_no_file_system_is_full_soon(disks: Disks, policy: HostPolicy, previous: Previous) -> None:
    """No file system will be full within hours if it goes on filling as it did since an earlier run.

    Why: what fills by night is full before anybody looks.
    Look: what writes there: `lsof MOUNT`, the largest and newest files; the rotation of logs.
    """
    if previous.seconds_ago is None:
        does_not_apply("there was no earlier run of this boot to compare with")
    if previous.seconds_ago < policy.disks.filling_over:
        does_not_apply(f"the earlier run was only {SECONDS.format(previous.seconds_ago)} ago")
    verdicts = list(filling_verdicts(seen(disks, "file_systems"), policy, previous))
    assert all(verdicts)


@check("disks.mounts_answer")
def test_every_mount_answers(disks: Disks) -> None:
    """Every mounted file system says in time how full it is.

    Why: whatever touches a mount that does not answer hangs with it, and cannot even be killed.
    Look: the server or the daemon behind it; `umount -l` frees the path; no `df` and no `ls` of its parent.
    """
    lines = dead(seen(disks, "file_systems"))
    assert not lines, _told(*lines)


@check("disks.writable")
def test_nothing_is_read_only_by_mistake(disks: Disks) -> None:
    """No file system is read-only that should be writable: by an error that it met, or against fstab.

    Why: a file system turns itself read-only when it finds itself damaged, and everything on it fails from then on.
    Look: `dmesg | grep -i remount`; the device under it; then fsck, before it is mounted again.
    """
    found = seen(disks, "read_only")
    lines = [f"{one.mounted.path} is read-only: {one.because}" for one in found]
    assert not lines, _told(*lines, *(origin(one.mounted) for one in found[:1]))


@check("disks.corruption")
def test_file_systems_recorded_no_errors(disks: Disks, policy: HostPolicy, facts: Facts) -> None:
    """No file system has recorded errors of its own.

    Why: it goes on as if nothing were, and spreads what it reads wrongly.
    Look: `dumpe2fs -h`, then fsck; `btrfs device stats`, then scrub; `dmesg` for the device's own errors.
    """
    verdicts = list(corruption_verdicts(seen(disks, "corruption"), policy, facts.time))
    if not verdicts:
        does_not_apply("no file system here keeps count of its errors")
    assert all(verdicts)


@check("disks.device_errors")
def test_devices_make_no_errors(disks: Disks, policy: HostPolicy, previous: Previous) -> None:
    """No SCSI device failed many commands, or left one without an answer, since the earlier run or in the window.

    Why: a disk that will fail says so first by these.
    Look: `dmesg | grep -i sd`; `smartctl -a`; cables and paths.
    """
    verdicts = list(error_verdicts(seen(disks, "devices"), policy, previous))
    if not verdicts:
        does_not_apply("no device here counts its errors")
    assert all(verdicts)


@check("disks.devices_run")
def test_devices_run(disks: Disks) -> None:
    """Every block device whose driver tells its state is running.

    Why: the kernel takes a device offline that it could not bring back; what is on it is gone until somebody acts.
    Look: `dmesg`; /sys/block/DEVICE/device/state; the controller.
    """
    told = [one for one in seen(disks, "devices") if one.state]
    if not told:
        does_not_apply("no driver here tells the state of its devices")
    lines = [f"{one.name} is {one.state}" for one in told if one.state not in WELL]
    assert not lines, _told(*lines)


@check("disks.io_moves")
def test_io_moves(disks: Disks) -> None:
    """No block device had requests on their way all through the window and finished none.

    Why: whoever asked for them waits in the kernel, and cannot be killed.
    Look: `dmesg`; processes in state D and their wchan; the device, its controller, its path.
    """
    lines = stuck(seen(disks, "devices"))
    assert not lines, _told(f"{lines[0]} in {SECONDS.format(seen(disks, 'seconds'))}", *lines[1:])


@check("disks.wait")
def test_devices_are_quick(disks: Disks, policy: HostPolicy) -> None:
    """Reads and writes do not wait long for their device.

    Why: it is what every request that misses a cache waits for.
    Look: `iostat -x 1` (r_await, w_await, aqu-sz); `iotop`; the neighbours on shared storage.
    """
    devices = seen(disks, "devices")
    if not devices:
        does_not_apply("there is no block device here")
    verdicts = list(wait_verdicts(devices, policy, seen(disks, "seconds")))
    assert all(verdicts)


@check("disks.device_load", each="devices")
def test_device_is_within_its_caps(disks: Disks, item: Item[Device]) -> None:
    """The device does no more than it was bought for, or is capped at.

    Why: at its cap a volume does not fail, it makes everything wait.
    Look: `iostat -x 1`; what the provider counts for the volume.
    """
    verdicts = load_verdicts(seen(disks, "devices"), item.name, item.policy, seen(disks, "seconds"))
    assert all(verdicts)


@check("disks.deleted_files")
def test_deleted_files_hold_little(disks: Disks, policy: HostPolicy) -> None:
    """Files that were deleted and are still open hold little of their file system.

    Why: the space comes back only when the last process lets go of them, and no `du` finds it.
    Look: the processes in the evidence: restart them, or have their logs reopened; `lsof +L1`.
    """
    verdicts = list(deleted_verdicts(seen(disks, "deleted"), seen(disks, "file_systems"), policy))
    assert all(verdicts)


@check("disks.network_options")
def test_network_mounts_lose_nothing(disks: Disks, policy: HostPolicy) -> None:
    """What is mounted over the network to be written to keeps writes and locks.

    Why: `soft` turns a server's pause into an error that programs ignore, and a lock that stays on this host is none.
    Look: /etc/fstab or the unit of the mount: `hard`; no `nolock`, `local_lock`, `nobrl`.
    """
    mounts = [one for one in seen(disks, "network") if one.type in NFS + CIFS]
    if not mounts:
        does_not_apply("neither NFS nor CIFS is mounted here")
    verdicts = list(option_verdicts(mounts, policy))
    assert all(verdicts)


@check("disks.nfs_calls")
def test_nfs_calls_arrive(disks: Disks, policy: HostPolicy) -> None:
    """Calls to NFS servers need no second sending, and none is in vain.

    Why: each one sent again stands for seconds in which somebody waited.
    Look: `mountstats MOUNT`, `nfsstat -rc`; the network between; `dmesg` for "not responding".
    """
    if not seen(disks, "calls"):
        does_not_apply("no NFS is mounted here")
    verdicts = list(arrival_verdicts(seen(disks, "calls"), policy))
    assert all(verdicts)


@check("disks.nfs_trip")
def test_nfs_servers_are_quick(disks: Disks, policy: HostPolicy) -> None:
    """NFS servers answer calls quickly.

    Why: each file that is opened takes several of them, one after the other.
    Look: `mountstats MOUNT`: round trip against queue; the server's own disks; the network between.
    """
    if not seen(disks, "calls"):
        does_not_apply("no NFS is mounted here")
    verdicts = list(trip_verdicts(seen(disks, "calls"), policy))
    assert all(verdicts)


@check("disks.fc_ports")
def test_fibre_channel_ports_are_online(disks: Disks, policy: HostPolicy) -> None:
    """The host's Fibre Channel ports, and the ports of arrays that it knows, are online.

    Why: the other paths carry on, until one of them is lost too.
    Look: the cable, the switch port, the zone; /sys/class/fc_host/*/port_state; `multipath -ll`.
    """
    san = seen(disks, "san")
    if not san.ports:
        does_not_apply("there is no Fibre Channel here")
    assert all(port_verdicts(san, policy))


@check("disks.fc_errors")
def test_fibre_channel_links_are_clean(disks: Disks, policy: HostPolicy, previous: Previous) -> None:
    """Fibre Channel links made no errors since the earlier run, or in the window.

    Why: a dirty connector costs retries long before the link goes.
    Look: /sys/class/fc_host/*/statistics; light levels at the switch; another cable.
    """
    verdicts = list(link_verdicts(seen(disks, "san").ports, policy, previous))
    if not verdicts:
        does_not_apply("there is no Fibre Channel here")
    assert all(verdicts)


@check("disks.iscsi_sessions")
def test_iscsi_sessions_are_logged_in(disks: Disks, policy: HostPolicy) -> None:
    """Every iSCSI session is logged in.

    Why: in any other state its disks' I/O waits, or fails.
    Look: `iscsiadm -m session -P 3`; the portal's address from here.
    """
    sessions = seen(disks, "san").sessions
    if not sessions:
        does_not_apply("there is no iSCSI here")
    down = [f"{one.target} is {one.state}" for one in sessions if one.state != "LOGGED_IN"]
    assert policy.disks.iscsi_sessions_down.allows(len(down), evidence=down[:5])


@check("disks.multipath")
def test_multipath_devices_have_their_paths(disks: Disks, policy: HostPolicy) -> None:
    """Every multipath device has paths enough that work, through more than one adapter.

    Why: a path that is lost is noticed when the last one goes.
    Look: `multipath -ll`; disks.fc_ports, disks.iscsi_sessions.
    """
    verdicts = list(path_verdicts(seen(disks, "san").multipaths, policy))
    if not verdicts:
        does_not_apply("there is no multipath device here")
    assert all(verdicts)


@check("disks.mount", each="mounts")
def test_mount_is_as_expected(disks: Disks, item: Item[Mount]) -> None:
    """The mount that the policy names is there, from the right source, with the right options.

    Why: a mount that is missing is a directory, and takes what was meant for it, until both are full.
    Look: `findmnt PATH`; /etc/fstab; `systemctl status` of the mount unit.
    """
    wrong = list(wrong_about(item.name, item.policy, asked(disks.mounts, item.name)))
    assert not wrong, f"{item.name} {'; '.join(wrong)}"


def _told(*lines: str) -> str:
    """A message of one line, and evidence below it."""
    return "\n".join(lines[:9])
