"""What systemd says of units: whether they are there, come back by themselves, and how they started.

In: `systemctl show`. Out: `Unit`s by the names they were asked by. A host that systemd did not boot has none.
Source: org.freedesktop.systemd1(5), systemd.service(5), systemd.unit(5), sd_booted(3).
"""

import re
from typing import Dict, List, NamedTuple, Optional

from shipworthy.probes.runtime.child import Abandoned
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import number

BOOTED = "/run/systemd/system"
PROPERTIES = (
    "Id,LoadState,ActiveState,Result,Type,UnitFileState,NeedDaemonReload,Restart,NRestarts,RestartUSec,StartLimitBurst,"
    "StartLimitIntervalUSec,ControlGroup,InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic"
)

_SECONDS = 5.0
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|min|h|d|w|month|y)")
_SCALES = {
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
    "month": 2629800.0,
    "y": 31557600.0,
}


class Unit(NamedTuple):
    """A unit. Times in seconds; None: this version of systemd does not tell it."""

    id: str
    """Its own name, where it was asked by an alias."""
    load: str
    """loaded, not-found, masked, …"""
    active: str
    """active, activating, failed, inactive, …"""
    result: str
    """How it ended last: success, exit-code, oom-kill, start-limit-hit, …"""
    type: str
    enabled: str
    """The state of its file: enabled, disabled, static, masked, generated, …; empty when there is none."""
    changed: bool
    """Its file, or a drop-in, was changed and not loaded since."""
    restart: str
    """When it is started again: no, always, on-failure, …"""
    restarts: Optional[int]
    """Since somebody last started it; those by Restart= only (systemd 235)."""
    restart_after: Optional[float]
    gives_up_after: Optional[int]
    """Starts within `gives_up_within` after which it is left as it is; 0 never."""
    gives_up_within: Optional[float]
    group: str
    """Its control group; empty when it does not run."""
    start_seconds: Optional[float]
    """How long its start took, or takes until now; None when it was never started."""
    active_seconds: Optional[float]
    """How long it is active since its last start; None when it is not."""


def read_units(machine: Machine, names: List[str]) -> Dict[str, Unit]:
    """Units by the names they were asked by. Raises NotSeen on a host without systemd."""
    if not machine.exists(BOOTED):
        raise NotSeen("this host was not booted by systemd")
    command = ["systemctl", "show", "-p", PROPERTIES, "--", *names]
    try:
        done = machine.run(command, _SECONDS)
    except Abandoned as error:
        raise NotSeen("systemctl show: {}".format(error)) from None
    if done.exit_status != 0:
        said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise NotSeen("systemctl show ended with {}: {}".format(done.exit_status, said))
    return parse_units(done.stdout.decode("utf-8", "surrogateescape"), names, machine.kernel_seconds())


def parse_units(text: str, names: List[str], now: float) -> Dict[str, Unit]:
    """Blocks of `Name=value` lines, one for each name, in the order they were asked; `now` is the monotonic clock."""
    blocks = [block for block in text.split("\n\n") if block.strip()]
    if len(blocks) != len(names):
        raise ParseError("systemctl show: {} units, {} were asked for".format(len(blocks), len(names)))
    return {name: _unit(block, now) for name, block in zip(names, blocks)}


def parse_span(text: str) -> Optional[float]:
    """`1min 30s` → 90.0; `infinity` → None. Raises ParseError."""
    if text == "infinity":
        return None
    words = text.split()
    matches = [_SPAN.fullmatch(word) for word in words]
    if text != "0" and (not words or not all(matches)):
        raise ParseError("systemctl show: {!r} is no time span".format(text))
    return sum(float(match.group(1)) * _SCALES[match.group(2)] for match in matches if match)


def _unit(block: str, now: float) -> Unit:
    fields = {name: value for name, _, value in (line.partition("=") for line in block.strip().split("\n"))}
    for name in ("Id", "LoadState", "ActiveState"):
        if name not in fields:
            raise ParseError("systemctl show: a unit without {}: {!r}".format(name, block[:80]))
    return Unit(
        id=fields["Id"],
        load=fields["LoadState"],
        active=fields["ActiveState"],
        result=fields.get("Result", ""),
        type=fields.get("Type", ""),
        enabled=fields.get("UnitFileState", ""),
        changed=fields.get("NeedDaemonReload") == "yes",
        restart=fields.get("Restart", ""),
        restarts=_whole(fields, "NRestarts"),
        restart_after=_span(fields, "RestartUSec"),
        gives_up_after=_whole(fields, "StartLimitBurst"),
        gives_up_within=_span(fields, "StartLimitIntervalUSec"),
        group=fields.get("ControlGroup", ""),
        start_seconds=_start_seconds(fields, now),
        active_seconds=_active_seconds(fields, now),
    )


def _start_seconds(fields: Dict[str, str], now: float) -> Optional[float]:
    begun = _whole(fields, "InactiveExitTimestampMonotonic") or 0
    done = _whole(fields, "ActiveEnterTimestampMonotonic") or 0
    if not begun:
        return None
    if fields["ActiveState"] == "activating":
        return round(max(0.0, now - begun / 1e6), 3)
    return round((done - begun) / 1e6, 3) if done >= begun else None


def _active_seconds(fields: Dict[str, str], now: float) -> Optional[float]:
    since = _whole(fields, "ActiveEnterTimestampMonotonic") or 0
    return round(max(0.0, now - since / 1e6), 3) if since and fields["ActiveState"] == "active" else None


def _whole(fields: Dict[str, str], name: str) -> Optional[int]:
    value = fields.get(name)
    return None if value is None else number(value, "systemctl show", name)


def _span(fields: Dict[str, str], name: str) -> Optional[float]:
    value = fields.get(name)
    return None if value is None else parse_span(value)
