"""Disks that are full, dead, read-only, slow, broken: the claims that speak of them turn, and on that host alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab import lab
from lab.faults import disks, storage
from selftest.scenarios.broken import Broken, Case, Faults
from selftest.scenarios.suite import suite

POLICY = """\
plays:
- hosts: deleted
  disks: {deleted_files: {warn_above: 4 MiB}}
- hosts: busy
  disks: {devices: {sdy: {operations: {fail_above: 1000 /s}}}}
- hosts: missing
  disks: {mounts: {/srv/data: {type: xfs}}}
- hosts: otherwise
  disks: {mounts: {/srv/data: {source: lab, type: tmpfs, options: [rw, noexec], without: [relatime]}}}
"""
CASES = {
    "full": Case(disks.full_file_system, "/srv/data: space left 0 %, limit at least 3 %"),
    "nearly-full": Case(disks.nearly_full_file_system, "/srv/data: space left 4 %, warning below 5 %"),
    "no-inodes": Case(disks.no_inodes_left, "/srv/data: inodes left 0 %, limit at least 3 %"),
    "thin": Case(storage.full_thin_pool, "vg-pool-tpool: data used 97 %, limit 90 %"),
    "dead": Case(disks.dead_mount, r"/srv/data \(fuse.mute of mute\): no answer within (5|4\.\d) s: state [DS], in "),
    "read-only": Case(disks.read_only_against_fstab, "/srv/data is read-only: /etc/fstab has it as rw,noatime"),
    "corrupt": Case(storage.recorded_errors, r"sdy1 \(ext4\): errors recorded 3, limit 0"),
    "timeouts": Case(storage.timeouts, r"sdy: I/O timeouts in the window \d+, limit 10"),
    "io-errors": Case(storage.io_errors, r"sdy: I/O errors in the window \d+, warning above 10"),
    "offline": Case(storage.disk_offline, "sdy is offline"),
    "stuck": Case(storage.stuck_disk, r"sdy: 3 requests on their way, and none came back in 1\d(\.\d+)? s"),
    "slow": Case(storage.slow_disk, r"sdy: mean wait for a read or write 2\d\d ms, warning above 100 ms"),
    "busy": Case(storage.busy_disk, r"sdy: reads and writes \d+ /s, limit 1000 /s"),
    "deleted": Case(disks.deleted_file_held_open, "/var/tmp: in deleted files 8 MiB, warning above 4 MiB"),
    "soft": Case(storage.soft_mount, "/srv/data: options that lose writes or locks 2, warning above 0"),
    "lost-calls": Case(storage.lost_calls, r"/srv/data: NFS calls retransmitted [45]\d(\.\d+)? %, limit 5 %"),
    "slow-server": Case(storage.slow_server, r"/srv/data: mean round trip of an NFS call 2\d\d ms, limit 100 ms"),
    "unplugged": Case(storage.fibre_unplugged, "Fibre Channel ports that are not online 1, warning above 0"),
    "dirty": Case(storage.dirty_fibre, r"host3: link errors in the window \d+, limit 100"),
    "no-session": Case(storage.iscsi_session_lost, "iSCSI sessions that are not logged in 1, limit 0"),
    "no-path": Case(storage.last_path_lost, "mpatha: paths that work 0, limit at least 1"),
    "missing": Case(disks.mount_missing, "/srv/data is not mounted"),
    "otherwise": Case(disks.mounted_otherwise, "/srv/data is mounted without noexec; is mounted with relatime"),
}


class TestFaults(Faults):
    cases = CASES
    policy = POLICY

    @pytest.mark.parametrize(
        ("name", "check", "culprit"),
        [
            ("full", "disks.space", "0 B of 4 MiB left on lab (tmpfs)"),
            ("deleted", "disks.deleted_files", "8 MiB in /var/tmp/lab.log, held by sleep["),
            ("corrupt", "disks.corruption", "the last one: ext4_lookup"),
            ("soft", "disks.network_options", "soft, local_lock=all: files:/export (nfs4)"),
            ("unplugged", "disks.fc_ports", "host4 (0x1000000000000004) is Linkdown"),
            ("no-path", "disks.multipath", "sdx is blocked"),
        ],
    )
    def test_its_evidence_names_the_culprit(self, broken: Broken, name: str, check: str, culprit: str) -> None:
        evidence = broken.run.of(name)[check].evidence
        assert any(culprit in line for line in evidence), evidence


def test_a_file_system_that_fills_between_two_runs(tmp_path: Path) -> None:
    policy = "plays: [{hosts: all, disks: {filling_over: 0 s}}]\n"
    with lab(hosts=2) as fleet, disks.place_to_fill(fleet[0]):
        before = suite(fleet, "-m", "disks", reports=tmp_path, policy=policy)
        with disks.filling(fleet[0]) as fault:
            run = suite(fleet, "-m", "disks", reports=tmp_path, policy=policy)
    assert before.turned == set(), before
    assert before.of("db")["disks.full_soon"].outcome == "skipped"
    assert run.turned == fault.turns, run
    told = run.of("db")["disks.full_soon"]
    assert re.fullmatch(r"/srv/data: time until it is full [\d.]+ m?s, limit at least 4 h", told.message)
    assert re.match(r"20 MiB went within [\d.]+ s; 4 MiB of 24 MiB left on lab", told.evidence[0])


def test_ten_dead_mounts_cost_one_deadline() -> None:
    with lab(hosts=2) as fleet, disks.dead_mount(fleet[0], 10) as fault:
        run = suite(fleet, "-k", "mounts_answer or every_mount_answers or space_is_left", faults=[fault])
    assert run.turned == fault.turns, run
    told = run.of("db")["disks.mounts_answer"]
    assert re.fullmatch(r"10 mounts do not answer: /srv/data, (/srv/data-\d+, ){2}…", told.message)
    assert re.match(r"/srv/data \(fuse.mute of mute\): no answer within (5|4\.\d) s", told.evidence[0])
    assert run.seconds < 25  # one after the other would take 50


def test_what_an_ordinary_user_may_not_see_is_no_pass(tmp_path: Path) -> None:
    with lab(hosts=2) as fleet:
        db = fleet[0]
        db.shell("mkdir -m 700 /root/private && mount -t tmpfs -o size=1m lab /root/private")
        run = suite(fleet, "-m", "disks", variables={"db": {"ansible_user": "deploy"}})
    errors = {turn.check for turn in run.turned}
    assert {(turn.host, turn.outcome) for turn in run.turned} == {("db", "error")}, run
    assert errors == {"disks.space", "disks.inodes", "disks.deleted_files"}
    assert all(run.of("db")[check].message.endswith("needs root") for check in errors)
    assert run.stdout.count("needs root") == 1
