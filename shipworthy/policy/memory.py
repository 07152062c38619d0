"""Memory: what is bounded, by default and strictly, and what its probe is asked for that.

Facts and formulas: kernel Documentation/admin-guide/{mm,sysctl,cgroup-v2}, Documentation/accounting/psi.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import SubjectPolicy, limit, setting
from shipworthy.policy.language.units import BYTES, COUNT, PER_SECOND, PERCENT, SECONDS

if TYPE_CHECKING:
    from shipworthy.probes.memory import Request


class Policy(SubjectPolicy):
    """Swap, memory left, pressure, out-of-memory kills, and room to fork."""

    swap_used: Limit = limit(
        BYTES,
        warn_above="0 B",
        fail_above="64 MiB",
        words="swap used",
        says="Swap in use on disk (SwapTotal − SwapFree, without zram).",
        source="judgement: 64 MiB is what an idle kernel may push out once and never want back",
    )
    swap_in: Limit = limit(
        PER_SECOND,
        warn_above="0 /s",
        check="swap_quiet",
        words="pages swapped in",
        says="Pages read back from swap during the window.",
        source="USE method: any swapping is memory saturation",
    )
    swap_out: Limit = limit(
        PER_SECOND,
        warn_above="0 /s",
        check="swap_quiet",
        words="pages swapped out",
        says="Pages written to swap during the window.",
        source="USE method: any swapping is memory saturation",
    )
    swap_thrash: Limit = limit(
        PER_SECOND,
        warn_above="0 /s",
        fail_above="10 /s",
        check="swap_quiet",
        words="pages swapped both ways",
        says="The lesser of both rates: pages that go out while others come back are thrash.",
        source="judgement: both ways at once is thrash; 10 pages/s each way is more than a straggler",
    )
    available: Limit = limit(
        PERCENT,
        warn_below="10 %",
        fail_below="5 %",
        words="memory available",
        says="MemAvailable of MemTotal without huge pages; it fails only with a second witness, otherwise it warns.",
        source="warning: node-mixin NodeMemoryHighUtilization (90 % used); failing: judgement",
    )
    witness_pressure: float = setting(
        PERCENT,
        "1 %",
        says="Second witness for low memory: time that a task (of a control group, one of its own) waited (PSI some).",
        source="judgement",
    )
    witness_refaults: float = setting(
        PER_SECOND,
        "10 /s",
        says="Second witness without PSI: anonymous pages wanted back (workingset_refault_anon) above this.",
        source="judgement",
    )
    witness_stalls: float = setting(
        PER_SECOND,
        "0 /s",
        says="Second witness without PSI: allocations that had to reclaim memory themselves (allocstall) above this.",
        source="judgement",
    )
    pressure_full: Limit = limit(
        PERCENT,
        warn_above="5 %",
        fail_above="20 %",
        check="pressure",
        words="all tasks waiting for memory",
        says="Share of the window in which every task waited for memory (PSI full).",
        source="judgement, well below the 60 % at which systemd-oomd kills",
    )
    pressure_some: Limit = limit(
        PERCENT,
        warn_above="20 %",
        fail_above="40 %",
        check="pressure",
        words="some task waiting for memory",
        says="Share of the window in which at least one task waited for memory (PSI some).",
        source="judgement, well below the 60 % at which systemd-oomd kills",
    )
    reclaim_stalls: Limit = limit(
        PER_SECOND,
        warn_above="0 /s",
        fail_above="100 /s",
        check="pressure",
        words="allocations stalled",
        says="Where the kernel has no PSI: allocations that had to reclaim memory themselves (allocstall).",
        source="judgement",
    )
    refaults: Limit = limit(
        PER_SECOND,
        warn_above="100 /s",
        fail_above="1000 /s",
        check="pressure",
        words="anonymous pages refaulted",
        says="Where the kernel has no PSI: anonymous pages evicted and wanted back (workingset_refault_anon).",
        source="judgement",
    )
    oom_kills: Limit = limit(
        COUNT,
        fail_above="0",
        words="processes killed for want of memory",
        says="Processes that the kernel killed for the whole machine's sake, by its counter, its log and the cgroups.",
        source="judgement: a machine that kills to survive is not fit",
    )
    cgroup_oom_kills: Limit = limit(
        COUNT,
        warn_above="0",
        check="oom_kills",
        words="processes killed at their cgroup's limit",
        says="Processes that were killed because their own cgroup had reached its limit (memory.events oom_kill).",
        source="judgement: the limit did what it is for, and somebody should know",
    )
    unexplained_oom_kills: Limit = limit(
        COUNT,
        warn_above="0",
        check="oom_kills",
        words="kills for want of memory of unknown kind",
        says="Kills of which neither the log nor a cgroup tells whether the machine or a cgroup was out of memory.",
        source="judgement: what is not known to be harmless should be known to somebody",
    )
    oom_within: float = setting(
        SECONDS,
        "1 d",
        says="How far back kills count; further where the last run was longer ago.",
        source="judgement",
    )
    fork_process_share: float = setting(
        PERCENT,
        "10 %",
        says="Processes with more than this of the machine's memory, or of their container's, must be able to fork.",
        source="judgement: below it a full copy would be no event",
    )
    fork_shortfall: Limit = limit(
        BYTES,
        fail_above="0 B",
        check="fork",
        words="commit short for a fork",
        says="What the commit limit lacks for the largest process to fork (vm.overcommit_memory = 2 only).",
        source="kernel mm/util.c __vm_enough_memory",
    )
    fork_copy_shortfall: Limit = limit(
        BYTES,
        warn_above="0 B",
        check="fork",
        words="memory short for a forked copy",
        says="What memory and swap lack if a forked child wrote to all that it shares (overcommit modes 0 and 1).",
        source="judgement: a saving fork of a database copies what is written meanwhile",
    )
    fork_tasks_left: Limit = limit(
        COUNT,
        warn_below="16",
        fail_below="1",
        check="fork",
        words="tasks left",
        says="Tasks that pids.max, RLIMIT_NPROC, pid_max and threads-max still allow such a process.",
        source="kernel: fork(2) gives EAGAIN at each of them; 16 is judgement",
    )
    top: float = setting(COUNT, "5", says="How many processes are named as evidence.", source="judgement")

    STRICT: ClassVar[dict[str, Any]] = {
        "swap_used": {"fail_above": "0 B"},
        "swap_thrash": {"fail_above": "0 /s"},
        "available": {"warn_below": "20 %", "fail_below": "10 %"},
        "pressure_full": {"warn_above": "1 %", "fail_above": "5 %"},
        "pressure_some": {"warn_above": "5 %", "fail_above": "20 %"},
        "cgroup_oom_kills": {"fail_above": "0"},
        "unexplained_oom_kills": {"fail_above": "0"},
    }

    def request(self, checks: frozenset[str]) -> Request | None:
        """The parts of the reading that `checks` judge by; beyond the doubts, a longer window is taken."""
        wanted = {check.partition(".")[2] for check in checks if check.startswith("memory.")}
        if not wanted:
            return None
        from shipworthy.probes.memory import Request  # only for what is asked: an engineer waits

        return Request(
            # Low memory fails by a second witness, which is a rate.
            rates=not wanted.isdisjoint({"swap_quiet", "pressure", "available"}),
            processes=not wanted.isdisjoint({"swap_used", "available", "fork"}),
            oom="oom_kills" in wanted,
            fork="fork" in wanted,
            fork_share_percent=self.fork_process_share,
            top=int(self.top),
            **self._doubts(wanted),
        )

    def _doubts(self, wanted: set[str]) -> dict[str, float | None]:
        """Only what is judged is worth a second look."""
        doubts: dict[str, float | None] = {}
        if "swap_quiet" in wanted:
            doubts["doubt_swap_pages_per_second"] = _first_doubt(self.swap_in, self.swap_out, self.swap_thrash)
        if "pressure" in wanted:
            doubts["doubt_some_percent"] = _first_doubt(self.pressure_some)
            doubts["doubt_full_percent"] = _first_doubt(self.pressure_full)
            doubts["doubt_stalls_per_second"] = _first_doubt(self.reclaim_stalls)
            doubts["doubt_refaults_per_second"] = _first_doubt(self.refaults)
        return doubts


def _first_doubt(*limits: Limit) -> float | None:
    return min((limit.doubt for limit in limits if limit.doubt is not None), default=None)
