"""Paths with `*`, `?` and `[…]`, as a shell has them: within one name each, and no name that begins with a dot.

In: a machine, and an absolute path. Out: the files that there are, a bounded number of them.
"""

from fnmatch import fnmatchcase
from typing import Dict, List, Optional, Set, Tuple

from shipworthy.probes.runtime.machine import Machine

MOST = 200
"""Files that one glob may find."""
_MOST_ON_THE_WAY = 1000
"""Directories in which is looked, for one."""


def is_glob(path: str) -> bool:
    """Whether it may stand for several."""
    return any(letter in path for letter in "*?[")


def expanded(machine: Machine, pattern: str) -> Tuple[List[str], str]:
    """The files that it stands for, sorted, directories left out; and why there may be more of them."""
    paths, errors = [""], []
    for part in filter(None, pattern.split("/")):
        if len(paths) > _MOST_ON_THE_WAY:
            return [], "more than {} directories to be looked through".format(_MOST_ON_THE_WAY)
        if not is_glob(part):
            paths = [path + "/" + part for path in paths]
            continue
        found: List[str] = []
        for path in paths:
            try:
                names = machine.list(path or "/")
            except PermissionError:
                errors.append("not permitted: {}".format(path or "/"))
                continue
            except OSError:
                continue  # it is not there, or no directory
            found += [path + "/" + name for name in names if fnmatchcase(name, part) and _is_shown(name, part)]
        paths = found
    folders = _Folders(machine)
    paths = [path for path in paths if folders.hold(path)]
    if len(paths) > MOST:
        errors.append("more than {} files: {}".format(MOST, len(paths)))
    return paths[:MOST], errors[0] if errors else ""


def _is_shown(name: str, part: str) -> bool:
    return part.startswith(".") or not name.startswith(".")


class _Folders:
    """What directories hold that is none itself; a link that leads nowhere too, as somebody meant to have it there."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._names: Dict[str, Optional[Set[str]]] = {}

    def hold(self, path: str) -> bool:
        """Whether it is among that; of a directory that may not be listed, whatever is asked for."""
        folder, _, name = path.rpartition("/")
        if folder not in self._names:
            self._names[folder] = self._list(folder or "/")
        names = self._names[folder]
        return names is None or name in names

    def _list(self, folder: str) -> Optional[Set[str]]:
        try:
            return set(self._machine.list(folder)).difference(self._machine.folders(folder))
        except PermissionError:
            return None
        except OSError:
            return set()
