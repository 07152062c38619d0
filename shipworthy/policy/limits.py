"""Limits: how near to one is too near, and what its probe is asked for that.

Facts and formulas: kernel Documentation/admin-guide/sysctl, networking/ip-sysctl; getrlimit(2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import SubjectPolicy, limit, setting
from shipworthy.policy.language.units import COUNT, PERCENT, SECONDS

if TYPE_CHECKING:
    from shipworthy.probes.limits import Request

_NEAR = {"warn_above": "75 %", "fail_above": "90 %"}
_JUDGED = "judgement: a quarter left is time to act, a tenth is not"


class Policy(SubjectPolicy):
    """Headroom below the limits of the kernel, the network, control groups, users and processes; limits hit already."""

    file_handles: Limit = limit(
        PERCENT,
        warn_above="70 %",
        fail_above="90 %",
        check="kernel",
        words="file handles used",
        says="Open files of the whole machine, of fs.file-max.",
        source="node-mixin NodeFileDescriptorLimit: 70 % warns, 90 % is critical",
    )
    kernel: Limit = limit(
        PERCENT,
        **_NEAR,
        words="a table of the kernel used",
        says="Asynchronous requests, pseudo-terminals, System V shared memory, semaphores, queues: each of its limit.",
        source=_JUDGED,
    )
    network: Limit = limit(
        PERCENT,
        **_NEAR,
        words="a table of the network used",
        says="Tracked connections, neighbours, memory of TCP and UDP, orphans; sockets in TIME_WAIT only warn.",
        source="node-mixin NodeHighNumberConntrackEntriesUsed: 75 %; failing is judgement",
    )
    tasks: Limit = limit(
        PERCENT,
        **_NEAR,
        words="tasks used",
        says="Processes and threads, of kernel.pid_max, kernel.threads-max, and pids.max of every control group.",
        source=_JUDGED,
    )
    processes: Limit = limit(
        PERCENT,
        **_NEAR,
        words="a process's limit used",
        says="A process's descriptors and mappings, of its own limits; locked memory and address space only warn.",
        source=_JUDGED,
    )
    users: Limit = limit(
        PERCENT,
        **_NEAR,
        words="a user's limit used",
        says="All tasks, pending signals, keys and inotify instances and watches of a user, of what he may have.",
        source=_JUDGED,
    )
    hits: Limit = limit(
        COUNT,
        fail_above="0",
        check="already_hit",
        words="limits hit",
        says="Limits hit of late at which work was lost: file handles, connection tracking, neighbours, TCP's memory.",
        source="judgement: what was lost once will be lost again",
    )
    mild_hits: Limit = limit(
        COUNT,
        warn_above="0",
        check="already_hit",
        words="limits hit that are meant to be",
        says="Limits hit of late that did what they are for: pids.max, TIME_WAIT, SYN cookies, the audit backlog.",
        source="judgement: the limit held, and somebody should know",
    )
    hits_within: float = setting(
        SECONDS,
        "1 d",
        says="How far back hits count, as far as the kernel's log goes; further where the last run was longer ago.",
        source="judgement",
    )
    least: float = setting(
        COUNT,
        "32",
        says="Limits of processes, users and control groups that are lower forbid something, and are not judged.",
        source="judgement: sandboxes set limits of none or a few",
    )
    descriptor_caches: list[str] = Field(
        ["postgres", "mysqld", "mariadbd"],
        description="Programs that keep files open as a cache, up to their limit: they are judged only when it is"
        " reached.",
    )
    top: float = setting(COUNT, "5", says="How many of each kind are told.", source="judgement")

    STRICT: ClassVar[dict[str, Any]] = {"mild_hits": {"fail_above": "0"}}

    def request(self, checks: frozenset[str]) -> Request | None:
        """The parts of the reading that `checks` judge by."""
        wanted = {check.partition(".")[2] for check in checks if check.startswith("limits.")}
        if not wanted:
            return None
        known = {"kernel", "network", "tasks", "processes", "users", "already_hit"}
        if not wanted <= known:
            wanted = known
        from shipworthy.probes.limits import Request  # only for what is asked: an engineer waits

        return Request(
            kernel="kernel" in wanted,
            network="network" in wanted,
            tasks="tasks" in wanted,
            processes="processes" in wanted,
            users="users" in wanted,
            hits="already_hit" in wanted,
            least=int(self.least),
            caches=self.descriptor_caches,
            top=max(1, int(self.top)),
        )
