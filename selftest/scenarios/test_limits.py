"""Tables that are nearly full, and limits that are hit: the claims that speak of them turn, and on that host alone."""

from __future__ import annotations

import re
from pathlib import Path

from lab import lab
from lab.faults import Turn, limits
from selftest.scenarios.broken import Broken, Case, Faults
from selftest.scenarios.suite import suite

CASES = {
    "files": Case(limits.file_handles_used_up, r"file handles \(380000 of 400000, then ENFILE\) 95 %, limit 90 %"),
    "queues": Case(limits.message_queues_used_up, r"message queues \(19 of 20, then ENOSPC\) 95 %, limit 90 %"),
    "time-wait": Case(limits.time_wait_nearly_full, r"sockets in TIME_WAIT \((1[6-9]|20) of 20, .*\) .* %, warning"),
    "group": Case(limits.control_group_full_of_tasks, r"tasks of /lab-tasks \(38 of 40, then EAGAIN\) 95 %"),
    "descriptors": Case(limits.descriptors_used_up, r"descriptors of python3\[[0-9]+\] \(9[45] of 100, then EMFILE\)"),
    "user": Case(limits.user_full_of_tasks, r"tasks of uid [0-9]+, by python3\[[0-9]+\] \(95 of 100, then EAGAIN\)"),
    "overflowing": Case(limits.time_wait_overflows, "TIME_WAIT table full: times [0-9]+, warning above 0"),
}


class TestFaults(Faults):
    cases = CASES

    def test_the_evidence_names_who_has_it(self, broken: Broken) -> None:
        assert re.fullmatch(r"python3\[[0-9]+\]: 95 tasks", broken.run.of("user")["limits.users"].evidence[0])
        assert re.fullmatch(r".+\[[0-9]+\]: [0-9]+ descriptors", broken.run.of("files")["limits.kernel"].evidence[0])


def test_what_was_hit_between_two_runs_is_told(tmp_path: Path) -> None:
    """Nothing overflows while the runs look: the second one knows it by what the first had counted."""
    with lab(hosts=1) as fleet:
        first = suite(fleet, "-m", "limits", reports=tmp_path)
        with limits.time_wait_overflows(fleet[0]):
            pass
        second = suite(fleet, "-m", "limits", reports=tmp_path)
        times = limits.overflows(fleet[0])
    assert first.turned == set(), first
    assert second.turned == {Turn("limits.already_hit", "db", "warned")}, second
    assert second.of("db")["limits.already_hit"].message == f"TIME_WAIT table full: times {times}, warning above 0"
