"""Disks that fill and fail, services that fail and flap, NFS whose server is gone, on kernels of their own."""

from __future__ import annotations

from lab.alone import alone
from lab.faults import Turn
from lab.faults.kernel import disks, nfs, units
from lab.machines import machines
from selftest.labs.possible import require_machines
from selftest.scenarios.broken import EMULATED, EMULATORS, Case, MachineFaults
from selftest.scenarios.suite import suite

DISKS = {
    "full": Case(disks.full_root, "/: space left"),
    "inodes": Case(disks.no_inodes_left, "/srv/data: inodes"),
    "failed": Case(disks.device_failed, r"dm-0 \(ext4\): errors recorded \d, limit 0"),
}
UNITS = {
    "failing": Case(units.failed_unit, "job: processes 0, limit at least 1"),
    "flapping": Case(units.flapping_unit, "job: restarts 3, warning above 0"),
}
JOB = "- {hosts: 'failing:flapping', processes: {services: {job: {unit: job.service}}}}"


class TestDisks(MachineFaults):
    cases = DISKS


class TestUnits(MachineFaults):
    cases = UNITS
    policy = EMULATED + JOB


def test_a_hard_mount_whose_server_is_gone_is_named_in_time() -> None:
    require_machines()
    with alone(EMULATORS), machines(names=["server", "four", "three"]) as fleet:
        server, four, three = fleet
        with nfs.serving(server), nfs.mounted(four, server, "4.2"), nfs.mounted(three, server, "3"):
            well = suite(fleet, policy=EMULATED)
            assert well.turned == {Turn("disks.network_options", "three", "warned")}, well
            with nfs.server_gone(four, server) as gone4, nfs.server_gone(three, server) as gone3:
                run = suite(fleet, policy=EMULATED, deadline=60)
    assert run.turned == gone4.turns | gone3.turns | well.turned, run
    for name in ("four", "three"):
        assert well.of(name)["disks.mounts_answer"].outcome == "passed"
        assert "/srv/data" in run.of(name)["disks.mounts_answer"].message
