"""Which processes hold a socket: `nginx[812]`.

In: the inode of a socket; every process's descriptors (parts/descriptors) and /proc/PID/comm. Out: names, or why not.
The look at all descriptors is dear: it is taken when the first socket is asked for. Of a socket that is found, further
holders among the descriptors that were taken for sockets are not looked for.
"""

from typing import Dict, List, NamedTuple, Optional

from shipworthy.probes.parts.descriptors import Descriptors, read_descriptors, read_descriptors_of
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.seen import Eyes

_MOST = 16


class Owner(NamedTuple):
    """A process that holds a socket."""

    pid: int
    comm: str
    """Up to 15 characters of its name."""


class Owners:
    """Looks for the processes that hold sockets."""

    def __init__(self, eyes: Eyes) -> None:
        self._eyes = eyes
        self._names: Dict[int, Optional[str]] = {}
        self._looked = False
        self._descriptors: Optional[Descriptors] = None

    def of(self, inode: int) -> Optional[List[Owner]]:
        """Those that hold it, 16 at most, by number; None where others' descriptors cannot be seen.

        It may be nobody: a socket of the kernel's own, or of a process in another PID namespace, or of none any more.
        """
        seen = self._look()
        if seen is None:
            return None
        seen = read_descriptors_of(self._eyes.machine, [inode])
        held = seen.shared_sockets.get(inode) or ({seen.sockets[inode]} if inode in seen.sockets else set())
        named = [(pid, self._name(pid)) for pid in sorted(held)[:_MOST]]
        found = [Owner(pid, name) for pid, name in named if name is not None]
        return found if found or not seen.denied else None

    def _look(self) -> Optional[Descriptors]:
        if not self._looked:
            self._looked = True
            self._descriptors = self._eyes.see("owners", lambda: read_descriptors(self._eyes.machine))
            if self._descriptors is not None and self._descriptors.denied:
                self._eyes.unseen["owners"] = "other users' descriptors: needs root"
        return self._descriptors

    def _name(self, pid: int) -> Optional[str]:
        if pid not in self._names:
            self._names[pid] = _comm(self._eyes.machine, pid)
        return self._names[pid]


def _comm(machine: Machine, pid: int) -> Optional[str]:
    try:
        return machine.read("/proc/{}/comm".format(pid)).rstrip("\n")
    except OSError:
        return None  # it has ended meanwhile
