"""CPU: what is bounded, by default and strictly, and what its probe is asked for that.

Facts and formulas: kernel Documentation/scheduler/sched-bwc, Documentation/accounting/psi; proc_stat(5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import SubjectPolicy, limit, setting
from shipworthy.policy.language.units import COUNT, PERCENT, RATIO

if TYPE_CHECKING:
    from shipworthy.probes.cpu import Request


class Policy(SubjectPolicy):
    """How busy the cores are, who waits for one, what a hypervisor takes, and quotas."""

    busy: Limit = limit(
        PERCENT,
        warn_above="90 %",
        fail_above=None,
        words="cores busy",
        says="Time that the cores worked, of what a hypervisor left; of the cores that the login may run on.",
        source="node-mixin NodeCPUHighUsage: 90 %; work in hand is no fault, so it only warns",
    )
    core_busy: Limit = limit(
        PERCENT,
        warn_above=None,
        fail_above=None,
        check="core",
        words="a core busy",
        says="The busiest single core. Open by default: one thread at work fills one core on healthy hosts.",
        source="judgement: for hosts that keep room on every core",
    )
    core_interrupts: Limit = limit(
        PERCENT,
        warn_above="75 %",
        fail_above=None,
        check="core",
        words="a core serving interrupts",
        says="Time that one core spent on interrupts (irq and softirq): network traffic that reaches one core only.",
        source="judgement: what is left cannot keep up when more comes; see Documentation/networking/scaling.rst",
    )
    steal: Limit = limit(
        PERCENT,
        warn_above="5 %",
        fail_above=None,
        words="time stolen by the hypervisor",
        says="Time that a core had work and the hypervisor ran somebody else; the machine below must mend it.",
        source="judgement: from 5 % on people notice; nothing on this host is at fault, so it only warns",
    )
    load: Limit = limit(
        RATIO,
        warn_above="2",
        fail_above=None,
        words="load per core",
        says="The lesser of the 1 and 5 minutes' load by the machine's cores. Even where it is given a limit to fail"
        " at, it fails only if tasks really wait for a core; otherwise they wait for disks, and it warns.",
        source="node-mixin NodeSystemSaturation: load1 per core above 2 for 15 minutes",
    )
    witness_pressure: float = setting(
        PERCENT,
        "10 %",
        says="Second witness for a high load: the time that some task waited for a core (PSI some) is above this.",
        source="judgement",
    )
    witness_running: float = setting(
        RATIO,
        "1",
        says="Second witness for a high load: tasks that run or wait for a core, by core, are above this.",
        source="judgement: above 1, somebody waits",
    )
    pressure: Limit = limit(
        PERCENT,
        warn_above="30 %",
        fail_above=None,
        words="some task waiting for a core",
        says="Share of the window in which at least one task waited for a core (PSI some); a container's own.",
        source="judgement: a machine that is well used has some of it",
    )
    throttled: Limit = limit(
        PERCENT,
        warn_above="5 %",
        fail_above="25 %",
        words="periods cut short by a CPU quota",
        says="Periods in which a control group around the login was stopped at its quota, of those in which it ran.",
        source="kubernetes-mixin CPUThrottlingHigh: 25 %; the warning is judgement",
    )
    least_periods: float = setting(
        COUNT,
        "20",
        says="Fewer periods than these in the window count as so many.",
        source="judgement: a group that hardly runs may be stopped once and harm nobody",
    )
    top: float = setting(COUNT, "5", says="How many processes and cores are named as evidence.", source="judgement")

    STRICT: ClassVar[dict[str, Any]] = {
        "busy": {"fail_above": "98 %"},
        "core_busy": {"warn_above": "98 %"},
        "core_interrupts": {"fail_above": "95 %"},
        "steal": {"fail_above": "10 %"},
        "load": {"fail_above": "4"},
        "pressure": {"fail_above": "60 %"},
    }

    def request(self, checks: frozenset[str]) -> Request | None:
        """The parts of the reading that `checks` judge by; beyond the doubts, a longer window is taken."""
        wanted = {check.partition(".")[2] for check in checks if check.startswith("cpu.")}
        if not wanted:
            return None
        known = {"busy", "core", "steal", "load", "pressure", "throttled"}
        if not wanted <= known:
            wanted = known
        from shipworthy.probes.cpu import Request  # only for what is asked: an engineer waits

        return Request(
            usage=not wanted.isdisjoint({"busy", "core", "steal"}),
            pressure=not wanted.isdisjoint({"load", "pressure"}),
            groups="throttled" in wanted,
            processes=wanted != {"steal"},
            top=max(1, int(self.top)),
            least_periods=int(self.least_periods),
            **self._doubts(wanted),
        )

    def _doubts(self, wanted: set[str]) -> dict[str, float | None]:
        """Only what is judged is worth a second look."""
        limits = {
            "doubt_busy_percent": ("busy", self.busy),
            "doubt_core_busy_percent": ("core", self.core_busy),
            "doubt_core_interrupts_percent": ("core", self.core_interrupts),
            "doubt_steal_percent": ("steal", self.steal),
            "doubt_pressure_percent": ("pressure", self.pressure),
            "doubt_throttled_percent": ("throttled", self.throttled),
        }
        return {name: limit.doubt for name, (check, limit) in limits.items() if check in wanted}
