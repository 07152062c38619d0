"""Mount a symbolic link over another: what `mount` cannot, since it follows both. Linux 5.2.

In: the path of the link to be shown, the path of the one to be hidden. Source: open_tree(2), move_mount(2).
"""

import ctypes
import os
import sys

_OPEN_TREE, _MOVE_MOUNT = 428, 429
_HERE = -100
_CLONE, _NO_FOLLOW, _CLOSE_ON_EXEC = 0x1, 0x100, os.O_CLOEXEC
_FROM_DESCRIPTOR = 0x4


def main(shown: str, hidden: str) -> None:
    """Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(number: int, *arguments: object) -> int:
        answer: int = libc.syscall(number, *arguments)
        if answer < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), hidden)
        return answer

    tree = call(_OPEN_TREE, _HERE, os.fsencode(shown), _CLONE | _NO_FOLLOW | _CLOSE_ON_EXEC)
    call(_MOVE_MOUNT, tree, b"", _HERE, os.fsencode(hidden), _FROM_DESCRIPTOR)


if __name__ == "__main__":
    main(*sys.argv[1:])
