"""NFS: how the calls to each mounted file system fared in the window.

In: /proc/self/mountstats twice. Out: `Calls` by mount. Nothing here asks a server.
Source: net/sunrpc/stats.c (rpc_print_iostats), nfs-utils tools/mountstats; RFC 5531.
"""

from typing import Dict, List, NamedTuple, Optional

from shipworthy.probes.runtime.errors import ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import lines_of, number, unescape

MOUNTSTATS = "/proc/self/mountstats"

_LONGEST = 2**23
_TYPES = ("nfs", "nfs4")


class Totals(NamedTuple):
    """All calls of one mount since it was made."""

    calls: int
    transmissions: int
    timeouts: int
    """Major ones: every retransmission of a call was in vain, and it began anew."""
    queue_milliseconds: int
    """Spent on this side, before a call was sent."""
    trip_milliseconds: int


_NOTHING = Totals(0, 0, 0, 0, 0)


class Calls(NamedTuple):
    """What was called in the window."""

    path: str
    calls: int
    retransmissions: int
    timeouts: int
    trip_seconds: Optional[float]
    """Of a mean call, from its sending to its answer; None without one."""
    queue_seconds: Optional[float]


def take_nfs(machine: Machine) -> Dict[str, Totals]:
    """Look once; a kernel without NFS has nothing to tell. Raises OSError, ParseError."""
    return parse_mountstats(machine.read(MOUNTSTATS, _LONGEST))


def parse_mountstats(text: str, path: str = MOUNTSTATS) -> Dict[str, Totals]:
    """The totals of each NFS mount, by where it is mounted."""
    found: Dict[str, Totals] = {}
    where = ""
    in_calls = False
    for index, line in enumerate(lines_of(text), 1):
        words = line.split()
        if line.startswith(("device ", "no device ")):
            where, in_calls = _mount_of(words, path, index), False
            if where:
                found[where] = _NOTHING
        elif where and line.strip() == "per-op statistics":
            in_calls = True
        elif where and in_calls and words:
            found[where] = Totals(*[sum(pair) for pair in zip(found[where], _call(line, path, index))])
    return found


def read_calls(before: Dict[str, Totals], after: Dict[str, Totals]) -> List[Calls]:
    """What was called between two samples."""
    return [calls_of(path, before.get(path, _NOTHING), after[path]) for path in after]


def calls_of(path: str, before: Totals, after: Totals) -> Calls:
    """The difference; what was mounted anew meanwhile counts from zero."""
    gone = Totals(*[last - first for first, last in zip(before, after)])
    if min(gone) < 0:
        gone = after
    return Calls(
        path=path,
        calls=gone.calls,
        # Both are counted when a call is done: one that still waits is in neither.
        retransmissions=max(0, gone.transmissions - gone.calls),
        timeouts=gone.timeouts,
        trip_seconds=_mean(gone.trip_milliseconds, gone.calls),
        queue_seconds=_mean(gone.queue_milliseconds, gone.calls),
    )


def _mount_of(words: List[str], path: str, index: int) -> str:
    """`device server:/export mounted on /mnt with fstype nfs4 statvers=1.1` → `/mnt`; empty for other types."""
    if words[0] == "no" or "fstype" not in words:
        return ""
    try:
        at = words.index("mounted")
        type = words[words.index("fstype") + 1]
        return unescape(words[at + 2]) if type in _TYPES else ""
    except (ValueError, IndexError):
        raise ParseError("{}: line {}: not of the form `device … mounted on …`".format(path, index)) from None


def _call(line: str, path: str, index: int) -> Totals:
    """`READ: ops transmissions timeouts sent received queue rtt execute [errors]`."""
    name, colon, rest = line.partition(":")
    fields = rest.split()
    if not colon or len(fields) < 8:
        raise ParseError("{}: line {} {!r}: not of the form `NAME: 8 numbers`".format(path, index, line.strip()))
    values = [number(field, path, "line {} {!r}".format(index, name.strip())) for field in fields]
    return Totals(values[0], values[1], values[2], values[5], values[6])


def _mean(milliseconds: int, calls: int) -> Optional[float]:
    return round(milliseconds / 1000.0 / calls, 6) if calls else None
