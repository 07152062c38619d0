"""One thing that can run out: how much of it is used, how much there is, and what comes then.

In: looks at the files that tell it. Out: `Headroom`s, and a reason for each thing that could not be seen.
"""

import heapq
from typing import Callable, Iterable, List, NamedTuple, Optional, Tuple

from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import number, only_number
from shipworthy.probes.runtime.seen import Eyes

_UNLIMITED = 2**62
"""The kernel has no word for `no limit` but the largest numbers."""

Look = Callable[[], Optional[Tuple[int, int]]]
"""(used, limit); None where nothing limits it."""


class Headroom(NamedTuple):
    """One thing that can run out."""

    what: str
    used: int
    limit: int
    then: str
    """What happens at the limit."""
    of: str = ""
    """Whose it is, where everybody has his own: a process, a user, a control group."""
    mild: bool = False
    """At the limit the kernel sheds load, or a program was meant to stop: no work need be lost."""
    by: List[str] = []  # noqa: RUF012 -- never changed: a NamedTuple's default
    """Who has most of it, where that is worth a look."""

    @property
    def percent(self) -> float:
        return 100.0 * self.used / self.limit


class Row(NamedTuple):
    """A thing of the whole machine, and how to look at it."""

    what: str
    then: str
    look: Look
    mild: bool = False


def read_rows(eyes: Eyes, field: str, rows: Iterable[Row]) -> List[Headroom]:
    """Those of the rows that can be seen and are limited; the reasons of the others under `field.what`."""
    found = []
    for row in rows:
        seen = eyes.see("{}.{}".format(field, row.what), row.look)
        if seen is not None and 0 < seen[1] < _UNLIMITED:
            found.append(Headroom(row.what, seen[0], seen[1], row.then, mild=row.mild))
    return found


def fullest(found: Iterable[Headroom], top: int) -> List[Headroom]:
    """At most `top`, the nearest to their limits first."""
    return heapq.nlargest(top, found, key=lambda each: each.percent)


def setting(machine: Machine, path: str) -> int:
    """A file of one number below /proc/sys. Raises OSError, ParseError."""
    path = "/proc/sys/" + path
    return only_number(machine.read(path), path)


def settings(machine: Machine, path: str, count: int) -> List[int]:
    """A file of so many numbers, or more, below /proc/sys. Raises OSError, ParseError."""
    path = "/proc/sys/" + path
    fields = machine.read(path).split()
    # One too few is told as the number that is missing.
    padded = fields + [""] * max(0, count - len(fields))
    return [number(field, path, "field {}".format(at)) for at, field in enumerate(padded[:count], 1)]
