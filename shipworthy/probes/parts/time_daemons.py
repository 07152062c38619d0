"""A daemon that keeps the clock, as every kind of it is told: what it steers by, and how well.

In: names of processes. Out: which daemons run; the types `Daemon` and `Source`, which their own parts fill.
"""

from typing import List, NamedTuple, Optional

from shipworthy.probes.parts.processes import read_statuses
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.seen import Eyes

CHRONYD, NTPD, TIMESYNCD = "chronyd", "ntpd", "systemd-timesyncd"
# The kernel keeps 15 bytes of a name.
_NAMES = {CHRONYD: CHRONYD, NTPD: NTPD, TIMESYNCD[:15]: TIMESYNCD, "phc2sys": "phc2sys", "ptp4l": "ptp4l"}


class Mute(NotSeen):
    """The daemon is of a kind, or so old, that there is nothing to ask it by."""


class Source(NamedTuple):
    """One clock that a daemon looks at."""

    name: str
    state: str
    """As the daemon sees it: selected, combined, unusable, …"""
    reachable: bool
    """It answered at least one of the last eight questions."""
    heard_seconds_ago: Optional[int]


class Daemon(NamedTuple):
    """What a daemon says of the clock that it keeps."""

    name: str
    synchronised: Optional[bool]
    status: str
    """In its own words."""
    by_itself: bool
    """It serves its own clock as the reference, as an isolated network's server is set up to."""
    stratum: Optional[int]
    offset_seconds: Optional[float]
    """How far the clock is from its source's, by the daemon's own estimate; never negative."""
    root_distance_seconds: Optional[float]
    """Half the way to the reference clock and back, and what may have been lost on it: the most it can be wrong by."""
    sources: Optional[List[Source]]


def running(machine: Machine) -> List[str]:
    """The time daemons among the processes here. Raises `NotSeen` where processes may be hidden."""
    eyes = Eyes(machine)
    names = {_name(status.data) for status in read_statuses(eyes)}
    found = [daemon for name, daemon in _NAMES.items() if name in names]
    if not found and "forkers.others" in eyes.unseen:
        raise NotSeen(eyes.unseen["forkers.others"])
    return found


def _name(data: bytes) -> str:
    return data.split(b"\n", 1)[0].partition(b":")[2].strip().decode("ascii", "replace")
