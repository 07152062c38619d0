"""`python -m lab clean`: remove what killed runs left; `clean-machines`: the images and saved states of machines too;
`available`: whether labs can be built here.
"""

from __future__ import annotations

import sys

from lab.leftovers import clean
from lab.machines import cache
from lab.requirements import available


def main(arguments: list[str]) -> int:
    """Do the one thing asked for; the exit status."""
    match arguments:
        case ["clean"]:
            for directory in clean():
                print(f"removed {directory}")  # noqa: T201  this is a command's output
            return 0
        case ["clean-machines"]:
            for directory in (*clean(), *cache.clean()):
                print(f"removed {directory}")  # noqa: T201
            return 0
        case ["available"]:
            print(available() or "labs can be built here")  # noqa: T201
            return 1 if available() else 0
        case _:
            print("usage: python -m lab clean|clean-machines|available", file=sys.stderr)  # noqa: T201
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
