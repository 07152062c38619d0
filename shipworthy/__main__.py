"""`python -m shipworthy COMMAND …`: what is not a run of the suite, which is pytest's.

A command is a module with `HELP` and `main(arguments, program) -> exit status`, imported when it is asked for.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from shipworthy.errors import UsageError
from shipworthy.report.text import terminal

COMMANDS = {
    "checks": "shipworthy.catalogue",
    "policy": "shipworthy.policy.language.command",
    "report": "shipworthy.report.command",
}

USAGE = 4
"""The exit status of what is not understood, as in pytest."""


ARGPARSE_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Hand over to the command that is named first."""
    name, *rest = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in {"-h", "--help"}:
        sys.stdout.write(_usage())
        return 0
    if name not in COMMANDS:
        sys.stderr.write(f"there is no command {name!r}\n{_usage()}")
        return USAGE
    try:
        return int(import_module(COMMANDS[name]).main(rest, f"python -m shipworthy {name}"))
    except SystemExit as end:  # argparse's own status for what it does not understand means interrupted here
        return USAGE if end.code == ARGPARSE_USAGE else int(end.code or 0)
    except UsageError as error:
        sys.stderr.write("".join(f"{terminal(str(problem))}\n" for problem in error.problems))
        return USAGE


def _usage() -> str:
    told = "".join(f"  {name:<10} {import_module(module).HELP}\n" for name, module in COMMANDS.items())
    return f"usage: python -m shipworthy COMMAND …\n\n{told}\nThe suite itself is run by pytest; see README.md.\n"


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as of any command: a reader that has enough is no error
    sys.exit(main())
