"""Processes that burn, hang, stop, die and forget; services that are not as policy says: each turns what it should."""

from __future__ import annotations

import re
from pathlib import Path

from lab import lab
from lab.faults import processes
from selftest.scenarios.broken import Case, Faults
from selftest.scenarios.suite import suite

CASES = {
    "pegged": Case(processes.busy_thread, r"python3\[\d+\] thread worker\[\d+\]: share of a core [\d.]+ %, warning"),
    "spinning": Case(processes.spinning_thread, r"thread worker\[\d+\]: (share of a core|threads that spin 1)"),
    "zombies": Case(processes.dead_children, r"python3\[\d+\]: dead children 12, warning above 9"),
    "stuck": Case(processes.stuck_in_the_kernel, r"python3\[\d+\]: processes stuck in the kernel 1, warning above 0"),
    "vfork": Case(processes.waiting_for_vfork),
    "hung": Case(processes.hung_task, r"cp\[4711\]: reports of hung tasks 1, limit 0"),
    "stopped": Case(processes.stopped_process, r"python3\[\d+\]: processes stopped 1, warning above 0"),
    "deleted": Case(processes.deleted_program, r"job\[\d+\]: deleted /run/job in use for .*, warning above 0 µs"),
    "forgets": Case(
        processes.forgotten_connections, r"python3\[\d+\]: connections in CLOSE_WAIT 120, warning above 99"
    ),
    "missing": Case(processes.missing_service, r"job: processes 0, limit at least 1"),
    "user": Case(processes.service_of_the_wrong_user, r"job: 1 as root, not as deploy"),
    "restarted": Case(processes.restarted_service, r"job: restarts 3, warning above 0"),
    "stays-away": Case(
        processes.service_that_stays_away,
        r"job: job.service does not start at boot: its file is disabled; .* crash: Restart=no",
    ),
    "slow": Case(processes.slow_start, r"job: start took 40 s, limit 5 s"),
    "large": Case(processes.large_service, r"job: python3\[\d+\]: resident memory [67]\d.* MiB, limit 32 MiB"),
    "library": Case(processes.deleted_library, r"job: python3\[\d+\]: deleted /run/libold.so.1 in use for"),
    "no-cores": Case(processes.service_without_cores, r"job: cores are switched off \(Max core file size 0\)"),
    "no-privileges": Case(
        processes.service_that_gave_up_privileges, r"job: process \d+ gave up privileges, and fs.suid_dumpable = 0"
    ),
}
POLICY = """
plays:
- hosts: pegged:spinning
  processes:
    # This machine's other work takes its share of the cores.
    busy: {warn_above: 1 %}
- hosts: deleted
  processes: {deleted: {warn_above: 0 s}}
- hosts: missing
  processes: {services: {job: {}}}
- hosts: user
  processes: {services: {job: {users: [deploy]}}}
- hosts: restarted:stays-away:slow
  processes: {services: {job: {unit: job.service, started_within: {fail_above: 5 s}}}}
- hosts: large:library
  processes:
    services: {job: {process: python3, resident: {fail_above: 32 MiB}, stale: {warn_above: 0 s}}}
- hosts: no-cores
  processes: {services: {job: {cores: true}}}
- hosts: no-privileges
  processes: {services: {job: {process: python3, cores: true}}}
"""


class TestFaults(Faults):
    cases = CASES
    policy = POLICY


def test_a_connection_that_was_there_at_the_earlier_run_is_told(tmp_path: Path) -> None:
    policy = "plays:\n- hosts: all\n  processes: {close_wait_after: 0 s}\n"
    with lab(hosts=1) as fleet, processes.forgotten_connections(fleet[0]):
        runs = [suite(fleet, "-k", "connections_are_closed", policy=policy, reports=tmp_path) for _ in range(2)]
    first, second = [run.of("db")["processes.close_wait"].message for run in runs]
    assert "still in CLOSE_WAIT" not in first
    assert re.search(r"python3\[\d+\]: connections still in CLOSE_WAIT 120, warning above 0", second)
