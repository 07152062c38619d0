"""What a command says, or why it says nothing.

In: a command, and how long it may take. Out: its standard output; `NotSeen` with the reason for whatever is not that.
"""

from typing import Sequence

from shipworthy.probes.runtime.child import Abandoned
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine

_NOT_FOUND = 127


class NotInstalled(NotSeen):
    """There is no such command."""


def output(machine: Machine, command: Sequence[str], seconds: float, elsewhere: str = "") -> str:
    """Its standard output, when it ended well; `elsewhere` is where it may lie outside of PATH. Raises `NotSeen`."""
    name = command[0]
    try:
        done = machine.run(command, seconds)
        if done.exit_status == _NOT_FOUND and elsewhere:
            done = machine.run((elsewhere, *command[1:]), seconds)
    except Abandoned as error:
        raise NotSeen("{}: {}".format(name, error)) from None
    if done.exit_status == _NOT_FOUND:
        raise NotInstalled("there is no {} here".format(name))
    text = done.stdout.decode("utf-8", "surrogateescape")
    if done.exit_status:
        said = (done.stderr.decode("utf-8", "surrogateescape").strip() or text.strip()).split("\n")[-1]
        raise NotSeen("{}: {}".format(name, said[:200] or "exit status {}".format(done.exit_status)))
    return text
