"""When the kernel's reports of hung tasks count: counter, log, earlier run, uptime → outcome and message."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.running import DAY, UPTIME, Case, Files, told


def log(*ages: float, begins: float = 0.0) -> Files:
    """A kernel's log with reports of hung tasks so many seconds ago."""
    lines = [f"6,1,{begins * 1e6:.0f},-;a line\n"]
    lines += [
        f"3,5,{(UPTIME - age) * 1e6:.0f},-;INFO: task cp:4711 blocked for more than 120 seconds.\n"
        for age in sorted(ages, reverse=True)
    ]
    return {"/dev/kmsg": "".join(lines)}


def detected(count: int | None) -> Files:
    return {"/proc/sys/kernel/hung_task_detect_count": None if count is None else f"{count}\n"}


ONE = "cp[4711]: reports of hung tasks 1, limit 0"

HUNG = {
    "none": Case("passed", ""),
    "the kernel tells nowhere": Case(
        "skipped", "this kernel counts no hung tasks, and its log is not to be seen here", detected(None)
    ),
    "an old kernel's log": Case("failed", ONE, {**detected(None), **log(60.0)}),
    "an old kernel's log of last week": Case("passed", "", {**detected(None), **log(6 * DAY)}),
    "since the earlier run": Case("failed", "reports of hung tasks 2, limit 0", detected(5), before={"hung_tasks": 3}),
    "none since the earlier run": Case("passed", "", detected(3), before={"hung_tasks": 3}),
    "before the earlier run, but of today": Case(
        "failed", ONE, {**detected(3), **log(2 * 3600.0)}, before={"hung_tasks": 3}
    ),
    "the log knows all, none of today": Case("passed", "", {**detected(1), **log(3 * DAY)}),
    "the log knows all, one of today": Case(
        "failed", ONE, {**detected(2), **log(3 * DAY, 60.0)},
        first="cp[4711] blocked for more than 120 s, 1 min ago",
    ),
    "the log has forgotten": Case(
        "error", "3 hung tasks since boot; the kernel's log does not tell when of each", {**detected(3), **log(3 * DAY)}
    ),
    "since a boot of today": Case("failed", "reports of hung tasks 2, limit 0", detected(2), uptime=3600.0),
    "in wait of input and output": Case(
        "failed", ONE,
        {**detected(None), "/dev/kmsg": log(60.0)["/dev/kmsg"].replace("blocked", "blocked in I/O wait")},  # type: ignore[union-attr]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HUNG)
def test_what_hung_of_late(name: str, tmp_path: Path) -> None:
    told(HUNG[name], "test_the_kernel_reported_no_hung_task", tmp_path)
