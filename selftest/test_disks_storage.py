"""What the checks of storage behind a network conclude: NFS, CIFS, Fibre Channel, iSCSI, multipath."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.disks import Case, Files, ago, mount, mounts, told

NFS_LINE = "device files:/export mounted on /mnt/nfs with fstype nfs4 statvers=1.1\n"


def nfs(calls: int = 0, sent: int | None = None, timeouts: int = 0, trip: int = 0, queue: int = 0) -> Files:
    read = (
        f"READ: {1000 + calls} {1000 + (calls if sent is None else sent)} {timeouts} 9 9 {queue} {5000 + trip} 9999 0"
    )
    head = f"{NFS_LINE}\topts:\trw,hard\n\tage:\t9\n\tper-op statistics\n\t        NULL: 0 0 0 0 0 0 0 0\n"
    return {"/proc/self/mountstats": f"{head}\t        {read}\n"}


CALLS = {
    "no NFS": Case("skipped", "no NFS is mounted here"),
    "all arrive": Case("passed", "", nfs(), nfs(1000)),
    "some are sent again": Case(
        "warned",
        "/mnt/nfs: NFS calls retransmitted 1 %, warning above 0 % (limit 5 %)",
        nfs(),
        nfs(1000, 1010),
        first="10 sendings too many for 1000 calls",
    ),
    "many are": Case("failed", "/mnt/nfs: NFS calls retransmitted 10 %, limit 5 %", nfs(), nfs(1000, 1100)),
    "one of few": Case("passed", "", nfs(), nfs(5, 6)),
    "in vain": Case("failed", "/mnt/nfs: NFS calls that ran into their timeout 1, limit 0", nfs(), nfs(5, 6, 1)),
    "mounted anew meanwhile": Case("passed", "", nfs(5000), nfs()),
    "no mountstats": Case("error", "calls: no /proc/self/mountstats", {"/proc/self/mountstats": None}),
}

TRIP = {
    "no NFS": Case("skipped", "no NFS is mounted here"),
    "quick": Case("passed", "", nfs(), nfs(1000, trip=2000)),
    "slow": Case(
        "warned",
        "/mnt/nfs: mean round trip of an NFS call 50 ms, warning above 20 ms (limit 100 ms)",
        nfs(),
        nfs(1000, trip=50_000, queue=3000),
        first="1000 calls; before it was sent, a mean one had waited 3 ms here",
    ),
    "very slow": Case(
        "failed", "/mnt/nfs: mean round trip of an NFS call 150 ms, limit 100 ms", nfs(), nfs(1000, trip=150_000)
    ),
    "few": Case("passed", "", nfs(), nfs(10, trip=9000)),
}


def network(type: str, inner: str, source: str = "files:/export", options: str = "rw") -> Files:
    return mounts(mount("/mnt/nfs", type, source, inner=inner, options=options, device="0:70"))


RISK = "/mnt/nfs: options that lose writes or locks {}, warning above 0"
OPTIONS = {
    "nothing mounted": Case("skipped", "neither NFS nor CIFS is mounted here"),
    "hard": Case("passed", "", network("nfs4", "rw,vers=4.2,hard,local_lock=none,addr=192.0.2.1")),
    "soft, locks here": Case(
        "warned",
        RISK.format(3),
        network("nfs", "rw,vers=3,soft,nolock,local_lock=all"),
        first="soft, nolock, local_lock=all: files:/export (nfs)",
    ),
    "soft, and never written to": Case("passed", "", network("nfs", "rw,vers=3,soft", options="ro")),
    "softreval is another thing": Case("passed", "", network("nfs4", "rw,hard,softreval")),
    "CIFS": Case("passed", "", network("cifs", "rw,vers=3.1.1,soft,serverino", "//files/share")),
    "CIFS without its locks": Case("warned", RISK.format(1), network("cifs", "rw,nobrl", "//files/share")),
    "strict": Case(
        "failed", RISK.format(1).replace("warning above", "limit"), network("nfs", "rw,soft"), extends="strict"
    ),
}


def fc(number: int = 3, state: str = "Online", crc: str = "0x0") -> Files:
    folder = f"/sys/class/fc_host/host{number}/"
    return {
        f"{folder}port_state": f"{state}\n",
        f"{folder}port_name": f"0x10000000c9{number:06x}\n",
        f"{folder}speed": "16 Gbit\n",
        f"{folder}statistics/invalid_crc_count": f"{crc}\n",
        f"{folder}statistics/loss_of_sync_count": "0xffffffffffffffff\n",
    }


def target(state: str, roles: str = "FCP Target") -> Files:
    folder = "/sys/class/fc_remote_ports/rport-3:0-0/"
    files = {"port_state": state, "port_name": "0x5006016", "roles": roles, "dev_loss_tmo": "30"}
    return {f"{folder}{name}": f"{text}\n" for name, text in {**files, "fast_io_fail_tmo": "off"}.items()}


PORTS = {
    "none": Case("skipped", "there is no Fibre Channel here"),
    "online": Case("passed", "", {**fc(), **target("Online")}),
    "one of two is down": Case(
        "warned",
        "Fibre Channel ports that are not online 1, warning above 0",
        {**fc(), **fc(4, "Linkdown")},
        first="host4 (0x10000000c9000004) is Linkdown",
    ),
    "all are down": Case("failed", "Fibre Channel ports online 0, limit at least 1", fc(3, "Linkdown")),
    "a target is lost": Case(
        "warned",
        "targets that are not online 1, warning above 0",
        {**fc(), **target("Blocked")},
        first="0x5006016 is Blocked; dev_loss_tmo 30, fast_io_fail_tmo off",
    ),
    "a neighbour is no target": Case("passed", "", {**fc(), **target("Not Present", "FCP Initiator")}),
}

LINKS = {
    "none": Case("skipped", "there is no Fibre Channel here"),
    "old errors": Case("passed", "", fc(crc="0x1f")),
    "in the window": Case(
        "warned", "host3: link errors in the window 1, warning above 0 (limit 100)", fc(), fc(crc="0x1")
    ),
    "since an earlier run": Case(
        "failed",
        "host3: link errors within 1 d 240, limit 100",
        fc(crc="0xff"),
        previous=ago(86_400, **{"fc_errors host3": 15}),
        first="since its driver was loaded: invalid_crc_count 255",
    ),
}


def session(state: str) -> Files:
    folder = "/sys/class/iscsi_session/session1/"
    return {f"{folder}state": f"{state}\n", f"{folder}targetname": "iqn.2004-04.example:a\n"}


SESSIONS = {
    "none": Case("skipped", "there is no iSCSI here"),
    "logged in": Case("passed", "", session("LOGGED_IN")),
    "failed": Case(
        "failed",
        "iSCSI sessions that are not logged in 1, limit 0",
        session("FAILED"),
        first="iqn.2004-04.example:a is FAILED",
    ),
}


def multipath(*paths: tuple[str, str, int]) -> Files:
    files = {"/sys/block/dm-3/dm/uuid": "mpath-36001\n", "/sys/block/dm-3/dm/name": "mpatha\n"}
    for name, state, host in paths:
        files[f"/sys/block/dm-3/slaves/{name}/x"] = ""
        files[f"/sys/devices/{host}:0:0:1/state"] = f"{state}\n"
        files[f"/sys/block/{name}/device"] = f"link:../../devices/{host}:0:0:1"
    return files


TABLE = {
    "/commands/%2Fsbin%2Fdmsetup table --target multipath": "mpatha: 0 2097152 multipath 1 queue_if_no_path 1 a 2 1\n"
}
PATHS = {
    "none": Case("skipped", "there is no multipath device here"),
    "two, by two adapters": Case("passed", "", multipath(("sda", "running", 3), ("sdb", "running", 4))),
    "two, by one adapter": Case(
        "warned",
        "mpatha: adapters that its paths lead through 1, warning below 2",
        multipath(("sda", "running", 3), ("sdb", "running", 3)),
    ),
    "one of two": Case(
        "warned",
        "mpatha: paths that work 1, warning below 2 (limit at least 1)",
        multipath(("sda", "running", 3), ("sdb", "offline", 4)),
        first="sdb is offline",
    ),
    "none of two, and it waits for ever": Case(
        "failed",
        "mpatha: paths that work 0, limit at least 1",
        {**multipath(("sda", "blocked", 3), ("sdb", "transport-offline", 4)), **TABLE},
        first="sda is blocked",
    ),
    "none is left": Case(
        "failed",
        "mpatha: paths that work 0, limit at least 1",
        {**multipath(), **TABLE},
        first="queue_if_no_path: without a path, I/O waits for ever",
    ),
    "LVM is none": Case("skipped", "there is no multipath device here", {"/sys/block/dm-3/dm/uuid": "LVM-abc\n"}),
}

TABLES = {
    "test_nfs_calls_arrive": CALLS,
    "test_nfs_servers_are_quick": TRIP,
    "test_network_mounts_lose_nothing": OPTIONS,
    "test_fibre_channel_ports_are_online": PORTS,
    "test_fibre_channel_links_are_clean": LINKS,
    "test_iscsi_sessions_are_logged_in": SESSIONS,
    "test_multipath_devices_have_their_paths": PATHS,
}


@pytest.mark.parametrize(("test", "name"), [(test, name) for test, table in TABLES.items() for name in table])
def test_what_is_concluded(test: str, name: str, tmp_path: Path) -> None:
    told(TABLES[test][name], test, tmp_path)
