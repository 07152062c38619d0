"""The symbolic links of one directory, such as /proc/PID/fd: listed at once, and read as far as they are asked for.

In: a descriptor of the directory. Out: names, and what the links say; bytes that are no UTF-8 become lone surrogates.
"""

import os
import sys
from typing import List, Sequence, Tuple

_READS_UTF8 = sys.getfilesystemencoding() == "utf-8"  # not so under LC_ALL=C on Python 3.6


class Links:
    """Symbolic links, as long as their directory is open."""

    def __init__(self, folder: int, sized: bool) -> None:
        self._folder = folder
        self.size = os.fstat(folder).st_size if sized else 0
        """How many there are, as /proc/PID/fd says since Linux 6.2; 0 where that is not told."""

    def names(self) -> List[str]:
        """Of all; to list them is dear where they are many, since the kernel makes each for it."""
        return os.listdir(self._folder)

    def say(self, names: Sequence[str]) -> List[Tuple[str, str]]:
        """Each and what it says; one that is gone meanwhile is left out."""
        found: List[Tuple[str, str]] = []
        append, readlink, folder = found.append, os.readlink, self._folder  # tens of thousands, on a busy host
        for name in names:
            try:
                append((name, readlink(name, dir_fd=folder)))
            except OSError:
                continue  # descriptors come and go, and whatever is no link has no target
        return found if _READS_UTF8 else [(name, _text(target)) for name, target in found]


def _text(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "surrogateescape")
