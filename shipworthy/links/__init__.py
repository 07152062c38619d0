"""The open way to a host: one small protocol, and a link for each kind of connection.

In: a `Host` and `Deadlines`. Out: a `Link`, on which one command can be run or conversed with.
A link knows nothing of probes. It raises `LinkError` with the rung that broke, and no other error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from shipworthy.inventory import Connection, Host
from shipworthy.links.put_off import put_off

RUNGS = (
    "resolve",
    "connect",
    "banner",
    "host key",
    "authentication",
    "session",
    "become",
    "python",
    "command",
    "answer",
)
"""The steps of a login, in order. `session` is the channel; `become` is sudo; `python` is finding an interpreter;
`command` is the probe's run; `answer` is reading what it says."""


@dataclass(frozen=True)
class Deadlines:
    """Seconds allowed for each step, and for the whole host from its turn on."""

    connect: float = 5.0
    banner: float = 15.0
    authentication: float = 15.0
    whole: float = 30.0
    login_rate: float = 10.0
    """Not a deadline but a pace: logins a second through one bastion."""


@dataclass(frozen=True)
class Completed:
    """A finished command. `exit_status` is None when the connection went before it was told."""

    exit_status: int | None
    stdout: bytes
    stderr: bytes


class Conversation(Protocol):
    """One running command: bytes both ways. Both output streams are always drained, into bounded buffers."""

    def write(self, data: bytes, until: float | None = None) -> None:
        """Send `data` whole to the command's standard input, which stays open, by the monotonic time `until`.

        Without `until`, 15 s. Output is drained meanwhile. To a command that is over, nothing is sent: `read` tells.
        Raises `LinkError` when the command does not take it in time.
        """

    def close_input(self) -> None:
        """End the command's standard input."""

    def read(self, until: float) -> tuple[bytes, bytes]:
        """What arrived since the last read, (stdout, stderr), at the latest at the monotonic time `until`.

        Returns as soon as there is anything, at most some MiB at once. Both empty: either `until` has come, or the
        command is over (`finished`). What is not read is not sent by the host: nothing piles up here.
        """

    def wake(self) -> None:
        """From any thread: the `read` that waits, or else the next one, returns at once. Nothing else is safe so."""

    @property
    def finished(self) -> bool:
        """Both streams are at their end and fully read, and the command has ended, or the connection has."""

    @property
    def exit_status(self) -> int | None:
        """The command's exit status, once it is known (−N: killed by signal N)."""

    def close(self) -> None:
        """End it; never blocks for longer than a moment."""


class Link(Protocol):
    """An open way to one host."""

    rungs: dict[str, float]
    """Seconds that each rung of the login took so far, in order."""

    notices: tuple[str, ...]
    """What a person should know of how this link was configured: an `Include` that was not followed."""

    address: str | None
    """The host's own, where this link is connected to it itself; known once the login is through."""

    def converse(self, command: str) -> AbstractContextManager[Conversation]:
        """Start `command`, a line for the host's POSIX shell, and hold its streams."""

    def run(self, command: str, *, input: bytes = b"", seconds: float, at_most: int = 2**21) -> Completed:
        """Run `command` to its end within `seconds`, keeping `at_most` bytes of each stream."""


@contextmanager
def open_link(host: Host, deadlines: Deadlines, rungs: dict[str, float]) -> Iterator[Link]:
    """Open the kind of link that `host` asks for; `rungs` is filled as the login climbs, also when it breaks.

    Raises `LinkError`.
    """
    with _opener(host.connection)(host, deadlines, rungs) as link:
        yield link


def make_ready() -> None:
    """Load what most links need, while something else is waited for."""
    _opener("paramiko")


def close_all() -> None:
    """Close every link and every bastion's transport of this process at once; whoever waits on one gets a `LinkError`.

    For the end of a run, and first thing on Ctrl-C: threads that wait on dead hosts end within a moment.
    """
    from shipworthy.links.opened import close_all as close

    close()


_Opener = Callable[[Host, Deadlines, dict[str, float]], AbstractContextManager[Link]]


def _opener(connection: Connection) -> _Opener:
    """The function that opens this kind of link, imported only now: paramiko alone takes a twentieth of a second."""
    match connection:
        case "paramiko":
            with put_off("invoke"):  # a third of what it loads, for its reader of ssh_config, which is not ours
                from shipworthy.links.paramiko import open_paramiko

            return open_paramiko
        case "openssh":
            from shipworthy.links.openssh import open_openssh

            return open_openssh
        case "local":
            from shipworthy.links.local import open_local

            return open_local
        case _:
            from shipworthy.links.container import open_container

            return open_container
