"""Processes: what is bounded, by default and strictly, the services that must run, and what the probe is asked for.

Facts and formulas: proc(5), core(5), systemd.service(5), kernel Documentation/admin-guide/sysctl/kernel.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from shipworthy.policy.language.form import VALUE_ERROR
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import Items, Part, SubjectPolicy, limit, setting
from shipworthy.policy.language.units import BYTES, COUNT, PERCENT, SECONDS

if TYPE_CHECKING:
    from shipworthy.probes.processes import Request

_FORMS = {
    "executable": ("/.*", "is no path, such as /usr/sbin/nginx"),
    "unit": (r"[^\s/-][^\s/]*\.[a-z]+", "is no unit, such as nginx.service"),
}
_KNOWN_BY = ("process", "executable", "command", "unit")


class Service(Part):
    """A service that must run. All that is said of how to know it must be true of each of its processes; when nothing
    is, its name is theirs."""

    process: str | None = Field(None, description="The name of its processes, as `ps -o comm` tells it.", min_length=1)
    executable: str | None = Field(None, description="The path of what they execute.")
    command: str | None = Field(
        None, description="A regular expression that is found in their command line.", min_length=1
    )
    unit: str | None = Field(
        None,
        description="The systemd unit that they belong to, such as `nginx.service`.",
    )
    users: list[str] = Field([], description="The only users (names or numbers) who may run them; empty: anybody.")
    at_boot: bool = Field(True, description="Its unit must start by itself when the host boots.")
    restarted: bool = Field(True, description="Its unit must come back by itself after a crash (`Restart=`).")
    keeps_trying: bool = Field(
        False, description="Its unit must never be given up by systemd's start limit, however often it crashes."
    )
    cores: bool = Field(False, description="A crash of it must leave a core.")
    processes: Limit = limit(
        COUNT,
        fail_below="1",
        check="service_runs",
        words="processes",
        says="How many processes it has at least.",
        source="judgement: what policy names must run",
    )
    processes_most: Limit = limit(
        COUNT,
        fail_above=None,
        check="service_runs",
        words="processes",
        says="How many processes it has at most.",
        source="policy",
    )
    restarts: Limit = limit(
        COUNT,
        warn_above="0",
        fail_above="2",
        check="service_restarts",
        words="restarts",
        says="Restarts by systemd (NRestarts) since the earlier run, at most a day ago.",
        source="judgement, after node-mixin NodeSystemdServiceCrashlooping: more than 2",
    )
    started_within: Limit = limit(
        SECONDS,
        fail_above=None,
        check="service_start",
        words="start took",
        says="How long its unit's start took (from InactiveExitTimestamp to ActiveEnterTimestamp).",
        source="policy",
    )
    resident: Limit = limit(
        BYTES,
        fail_above=None,
        check="service_memory",
        words="resident memory",
        says="Resident memory of its largest process.",
        source="policy",
    )
    resident_grown: Limit = limit(
        BYTES,
        fail_above=None,
        check="service_memory",
        words="resident memory grown by",
        says="How much one of its processes has grown since the earlier run, at most a day ago.",
        source="policy",
    )
    changed: Limit = limit(
        COUNT,
        warn_above="0",
        check="service_is_current",
        words="unit changed and not loaded",
        says="1 when its unit's file or a drop-in was changed, and systemd has not loaded it since (NeedDaemonReload).",
        source="judgement: after the next restart it is another service than now",
    )
    stale: Limit = limit(
        SECONDS,
        warn_above="7 d",
        check="service_is_current",
        words="deleted file in use for",
        says="How long it runs from an executable or a library that is deleted, as an update leaves it.",
        source="judgement: an update that nobody restarted for within a week was forgotten",
    )

    @field_validator("executable", "unit")
    @classmethod
    def _is_one(cls, text: str | None, field: ValidationInfo) -> str | None:
        form, reason = _FORMS[field.field_name or ""]
        if text is not None and not re.fullmatch(form, text):
            raise PydanticCustomError(VALUE_ERROR, "{reason}", {"reason": reason})
        return text

    @field_validator("command")
    @classmethod
    def _compiles(cls, command: str | None) -> str | None:
        try:
            re.compile(command or "")
        except re.error as error:
            reason = f"is no regular expression: {error}"
            raise PydanticCustomError(VALUE_ERROR, "{reason}", {"reason": reason}) from None
        return command

    @field_validator("users", mode="before")
    @classmethod
    def _numbers_too(cls, users: object) -> object:
        return [str(user) if isinstance(user, int) else user for user in users] if isinstance(users, list) else users

    def known_by(self, name: str) -> dict[str, str]:
        """How the probe finds it; `name` is the item's."""
        said = {field: value for field in _KNOWN_BY if (value := getattr(self, field)) is not None}
        return said or {"process": name}


class Policy(SubjectPolicy):
    """Busy, stuck, stopped, dead and forgetful processes, and the services that must run."""

    busy: Limit = limit(
        PERCENT,
        warn_above="95 %",
        check="pegged",
        words="busiest thread had of a core",
        says="What the busiest thread had of one core, over the long window when it looks like much.",
        source="judgement: it may be work; nobody can tell from outside",
    )
    spinning: Limit = limit(
        COUNT,
        warn_above="0",
        check="livelock",
        words="threads that spin",
        says="Threads beyond `busy` that were never switched out of their own will, read, wrote and mapped nothing.",
        source="judgement: computing looks the same for a while",
    )
    zombies: Limit = limit(
        COUNT,
        warn_above="9",
        fail_above="99",
        words="dead children of one process",
        says="Zombies of the parent that has most, which were there at both ends of the window.",
        source="judgement: a few are a parent that is slow to ask; a hundred, one that never does",
    )
    zombies_grown: Limit = limit(
        COUNT,
        warn_above="0",
        check="zombies",
        words="dead children added by one process",
        says="Zombies more than at the earlier run, of a parent that had some then already.",
        source="judgement: who leaves them lying, and more of them, will fill the process table",
    )
    uninterruptible: Limit = limit(
        COUNT,
        warn_above="0",
        words="processes stuck in the kernel",
        says="Processes in state D through the long window that did not run once; waiting for vfork is none.",
        source="judgement: slow storage, or dead",
    )
    hung_tasks: Limit = limit(
        COUNT,
        fail_above="0",
        words="reports of hung tasks",
        says="How often the kernel reported of late that a task was blocked for two minutes; of one, again and again.",
        source="kernel hung_task.c: 120 s without running once is beyond its own patience",
    )
    hung_within: float = setting(
        SECONDS,
        "1 d",
        says="How far back hung tasks count.",
        source="judgement",
    )
    stopped: Limit = limit(
        COUNT,
        warn_above="0",
        words="processes stopped",
        says="Processes that were stopped by a signal or a debugger at both ends of the window, without a terminal.",
        source="judgement: somebody stopped them, and forgot",
    )
    deleted: Limit = limit(
        SECONDS,
        warn_above="7 d",
        check="deleted",
        words="deleted program in use for",
        says="How long a process runs from an executable that is deleted, as an update leaves it.",
        source="judgement: an update that nobody restarted for within a week was forgotten",
    )
    close_wait: Limit = limit(
        COUNT,
        warn_above="99",
        fail_above="999",
        words="connections in CLOSE_WAIT",
        says="Connections that the peer has closed and the program here has not.",
        source="judgement: each holds a descriptor for ever; a few are just being closed",
    )
    close_wait_again: Limit = limit(
        COUNT,
        warn_above="0",
        check="close_wait",
        words="connections still in CLOSE_WAIT",
        says="Connections that were in CLOSE_WAIT at the earlier run already.",
        source="judgement: no program needs that long to close",
    )
    close_wait_after: float = setting(
        SECONDS,
        "1 min",
        says="How long ago the earlier run must be for `close_wait_again` to count.",
        source="judgement",
    )
    services: Items[Service] = Field({}, description="The services that must run here, by any name.")

    STRICT: ClassVar[dict[str, Any]] = {
        "zombies": {"warn_above": "0", "fail_above": "9"},
        "uninterruptible": {"fail_above": "0"},
        "stopped": {"fail_above": "0"},
        "deleted": {"warn_above": "1 d"},
        "close_wait": {"warn_above": "9", "fail_above": "99"},
        "close_wait_again": {"fail_above": "0"},
    }

    def request(self, checks: frozenset[str]) -> Request | None:
        """The parts of the reading that `checks` judge by."""
        wanted = {check.partition(".")[2] for check in checks if check.startswith("processes.")}
        of_services = {claim for claim in wanted if claim.startswith("service_")}
        if wanted == of_services and not self.services:
            return None
        from shipworthy.probes.processes import Request  # only for what is asked: an engineer waits

        return Request(
            busy=not wanted.isdisjoint({"pegged", "livelock"}),
            states=not wanted.isdisjoint({"zombies", "uninterruptible", "stopped"}),
            hung="hung_tasks" in wanted,
            leaks="close_wait" in wanted,
            executables="deleted" in wanted,
            doubt_busy_percent=self.busy.doubt,
            services={name: one.known_by(name) for name, one in self.services.items()} if of_services else {},
            members=not wanted.isdisjoint({"service_users", "service_memory", "service_leaves_trace"}),
            stale="service_is_current" in wanted,
            traces="service_leaves_trace" in wanted and any(one.cores for one in self.services.values()),
        )
