"""What is wrong with a service, in words: its unit, its restarts, its growth, the trace that a crash would leave.

In: what the probe saw, what policy expects, an earlier run's counters. Out: problems, numbers; empty and None: nothing.
Source: systemd.service(5), systemctl(1) is-enabled, core(5), systemd-coredump(8).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from shipworthy.policy.language.units import BYTES, SECONDS
from shipworthy.policy.processes import Service as Expected
from shipworthy.probes.parts.cores import Trace
from shipworthy.probes.parts.services import Service
from shipworthy.probes.parts.units import Unit
from shipworthy.snapshot import Previous

_AT_BOOT = {"enabled", "static", "alias", "indirect", "generated"}
"""File states with which a unit starts at boot, or is started then by another."""
_AFTER_A_CRASH = {"always", "on-failure", "on-abnormal", "on-abort"}
_DAY = 86400.0
_PAGE = 4096
"""systemd-coredump keeps no core under a smaller limit."""


class Growth(NamedTuple):
    """How much a process has grown since an earlier run, and which."""

    bytes: int
    pid: str


def unit_problem(unit: Unit) -> str:
    """Why the unit does not run as it should."""
    if unit.load != "loaded":
        return f"{unit.id} is {unit.load}"
    if unit.active in {"active", "reloading", "activating"}:
        return ""
    result = f" ({unit.result})" if unit.result not in {"", "success"} else ""
    return f"{unit.id} is {unit.active}{result}"


def coming_back_problems(unit: Unit, expected: Expected) -> Iterator[str]:
    """Why it would not be there again after a reboot, or a crash."""
    if expected.at_boot and unit.enabled not in _AT_BOOT:
        yield f"{unit.id} does not start at boot: its file is {unit.enabled or 'not there'}"
    if unit.type == "oneshot":
        return
    if expected.restarted and unit.restart not in _AFTER_A_CRASH:
        yield f"{unit.id} does not come back after a crash: Restart={unit.restart}"
    if expected.keeps_trying and (limit := _start_limit(unit)):
        yield f"{unit.id} is given up after {limit}"


def _start_limit(unit: Unit) -> str:
    """After what systemd leaves it as it is; empty when a unit that crashes at once is always started again."""
    starts, within, pause = unit.gives_up_after, unit.gives_up_within, unit.restart_after
    if not starts or within == 0:
        return ""
    span = "any time" if within is None else SECONDS.format(within)
    # The pauses alone take longer than the span: so many starts never fall into it.
    if within is not None and pause is not None and starts * pause >= within:
        return ""
    return f"{starts} starts within {span} (StartLimitBurst, StartLimitIntervalSec)"


def restarts_since(unit: Unit, name: str, previous: Previous) -> int | None:
    """Restarts since the earlier run; None without one. Somebody who starts it by hand sets its count to 0."""
    before = previous.counter("processes", f"restarts {name}")
    if before is None or unit.restarts is None:
        return None
    return unit.restarts - before if unit.restarts >= before else unit.restarts


def restarted_of_late(unit: Unit) -> bool:
    """Whether it is active for less than a day, so that its last restart may be no older."""
    return unit.active_seconds is None or unit.active_seconds <= _DAY


def grown_most(service: Service, name: str, previous: Previous) -> Growth | None:
    """The process that has grown most since the earlier run; None when none was there then."""
    grown = [
        Growth(size - before, key.partition("@")[0])
        for key, size in service.resident.items()
        if (before := previous.counter("processes", f"resident {name} {key}")) is not None
    ]
    return max(grown, default=None)


def core_problems(trace: Trace, room: int) -> Iterator[str]:
    """Why a crash would leave no core; `room` is what one may take."""
    limit = trace.limit_bytes
    if trace.undumpable is not None:
        yield f"process {trace.undumpable} gave up privileges, and fs.suid_dumpable = 0: no core of it is kept"
    if trace.handler is not None:
        yield from _handler_problems(trace, trace.handler)
    elif not trace.pattern:
        yield "kernel.core_pattern is empty: no core is kept"
    else:
        if limit is not None and limit < room:
            yield f"cores are cut at {BYTES.format(limit)} (Max core file size)" if limit > 0 else _NO_CORES
        if trace.free_bytes is None:
            yield f"{trace.folder}, where cores go, is not there"
        elif trace.free_bytes < room:
            free, wanted = BYTES.format(trace.free_bytes), BYTES.format(room)
            yield f"{trace.folder} has room for {free}, a core may take {wanted}"


_NO_CORES = "cores are switched off (Max core file size 0)"


def _handler_problems(trace: Trace, handler: str) -> Iterator[str]:
    if trace.handler_is_there is False:
        yield f"kernel.core_pattern pipes cores to {handler}, which is not there"
    least = _PAGE if handler.endswith("systemd-coredump") else 2
    # A limit of 1 byte forbids cores to handlers too; 0 does not, but for those that keep to it.
    if trace.limit_bytes is not None and (trace.limit_bytes == 1 or (least == _PAGE and trace.limit_bytes < least)):
        yield f"cores are switched off (Max core file size {trace.limit_bytes})"
