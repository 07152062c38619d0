"""The clock: who keeps it, by what, and how well, as the daemon and the kernel say.

In: what is wanted. Out: `Clock`. What cannot be seen is None, with its reason in `unseen` by dotted field name; so is
what was not asked for. How far the clock is from the caller's is not measured here but by exchanges on the way, while
this and other probes work: see `runtime/exchange.py`.
"""

from typing import Dict, List, NamedTuple, Optional

from shipworthy.probes.parts.chrony import read_chrony
from shipworthy.probes.parts.kernel_clock import Kernel, read_kernel
from shipworthy.probes.parts.ntp import read_ntp
from shipworthy.probes.parts.time_daemons import CHRONYD, NTPD, TIMESYNCD, Daemon, Mute, running
from shipworthy.probes.parts.timesyncd import read_timesyncd
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.seen import Eyes

VERSION = 1

_NOT_ASKED = "not asked"
_INITIAL_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO
_MARKS = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")


class Request(NamedTuple):
    """What is wanted."""

    exchanges: int = 8
    """How often the caller asks for the time, meanwhile."""
    keeper: bool = True
    """Who keeps the clock, and how well."""
    sources: bool = True
    """And by which sources."""


class Clock(NamedTuple):
    """The clock of a host."""

    running: Optional[List[str]]
    """The time daemons that run here, by name."""
    daemon: Optional[Daemon]
    mute: str
    """Why the daemon that runs here cannot be asked by anybody; empty where it can."""
    kernel: Optional[Kernel]
    borrowed: str
    """What shows that this is a container, whose clock is kept by the machine around it; empty where it is none."""
    unseen: Dict[str, str]


READING = Clock


def probe(machine: Machine, request: Request) -> Clock:
    """Measure."""
    eyes = Eyes(machine)
    if not request.keeper:
        eyes.unseen.update(running=_NOT_ASKED, daemon=_NOT_ASKED, kernel=_NOT_ASKED)
        return Clock(None, None, "", None, "", eyes.unseen)
    kernel = eyes.see("kernel", lambda: read_kernel(machine))
    daemons = eyes.see("running", lambda: running(machine))
    daemon, mute = None, ""
    try:
        daemon = _daemon(eyes, daemons, kernel, request.sources)
    except NotSeen as reason:
        eyes.unseen["daemon"] = str(reason)
        mute = str(reason) if isinstance(reason, Mute) else ""
    if daemon is not None and not request.sources:
        eyes.unseen["daemon.sources"] = _NOT_ASKED
    return Clock(daemons, daemon, mute, kernel, _borrowed(machine), eyes.unseen)


def _daemon(eyes: Eyes, daemons: Optional[List[str]], kernel: Optional[Kernel], with_sources: bool) -> Daemon:
    """What the first of the daemons says that can be asked. Raises `NotSeen`, ParseError."""
    if daemons is None:
        raise NotSeen(eyes.unseen["running"])
    if CHRONYD in daemons:
        return read_chrony(eyes, with_sources)
    if NTPD in daemons:
        return read_ntp(eyes, with_sources)
    if TIMESYNCD in daemons:
        return read_timesyncd(eyes, kernel, with_sources)
    if daemons:
        raise Mute("there is nothing to ask {} by".format(daemons[0]))
    raise NotSeen("no time daemon runs here")


def _borrowed(machine: Machine) -> str:
    try:
        if machine.link("/proc/self/ns/pid") != _INITIAL_PID_NAMESPACE:
            return "a PID namespace of its own"
    except OSError:
        pass  # a tree without its links tells nothing else
    return next((mark for mark in _MARKS if machine.exists(mark)), "")
