"""What can be seen and what cannot, with the reason: the one boundary between a kernel's silence and a reading's None.

In: functions that look at a machine. Out: their values, or None and a line in `Eyes.unseen`.
A file that is not there is unseen; a file that says nonsense is a `ParseError`, which nothing here catches.
"""

import errno
from typing import Callable, Dict, Optional, TypeVar

from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import Table

Value = TypeVar("Value")


class Eyes:
    """Looks at one machine, and remembers by field name what it could not see."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.unseen: Dict[str, str] = {}

    def see(self, field: str, look: Callable[[], Value]) -> Optional[Value]:
        """What `look` returns; or None, and the reason under `field`."""
        try:
            return look()
        except NotSeen as reason:
            self.unseen[field] = str(reason)
        except OSError as error:
            self.unseen[field] = why(error)
        return None


def table(machine: Machine, path: str, parse: Callable[[str, str], Dict[str, int]]) -> Table:
    """A file of named numbers; where it cannot be read, a table that says why to whoever asks it."""
    try:
        text = machine.read(path)
    except OSError as error:
        return Table(path, {}, why(error))
    return Table(path, parse(text, path))


def why(error: OSError) -> str:
    """An error of the system as a reason: `no /proc/vmstat`, `/dev/kmsg needs root`."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENODEV):
        return "no {}".format(error.filename)
    if error.errno in (errno.EACCES, errno.EPERM):
        return "{} needs root".format(error.filename)
    return "{}: {}".format(error.filename, error.strerror)
