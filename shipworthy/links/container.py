"""Containers and chroots: testinfra's backends make the command line, we run it and hold its streams.

In: a `Host` whose `connection` is docker, podman, kubectl, lxc or chroot, and whose `address` is the container (or
directory). Out: a `Link`.

Proved: chroot. Unproven, for want of an engine where this is tested: docker, podman, kubectl, lxc; their command
lines are tested, not their containers.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from shipworthy.errors import LinkError
from shipworthy.inventory import Host
from shipworthy.links import Deadlines, Link
from shipworthy.links.local import ProcessLink
from shipworthy.links.opened import Era, current

_WITH_INPUT = {"docker", "podman", "kubectl"}
"""Engines whose `exec` closes standard input unless told `-i`; testinfra, which sends none, does not say it."""

_QUOTED_TWICE = '"%s"'
"""As testinfra writes it for kubectl's options, around what is quoted already."""


def command_line(host: Host, command: str) -> list[str]:
    """The argument list that runs `command` in the container, with its standard input open."""
    from testinfra.backend import get_backend_class  # type: ignore[import-untyped]
    from testinfra.backend.base import CommandResult  # type: ignore[import-untyped]

    told: list[str] = []

    class Backend(get_backend_class(host.connection)):  # type: ignore[misc]  # a class only known now
        """testinfra's backend, stopped where it would run the line that it made."""

        def run_local(self, line: str, *arguments: str) -> CommandResult:
            if host.connection in _WITH_INPUT:
                line = line.replace("exec ", "exec -i ", 1)
            told.append(self.quote(line.replace(_QUOTED_TWICE, "%s"), *arguments))
            return CommandResult(self, 0, b"", b"", b"")

    by_user = host.user and host.connection in ("docker", "podman")
    name = f"{host.user}@{host.address}" if by_user else host.address
    backend: Any = Backend(name, **dict(host.container_options))
    backend._encoding = "utf-8"  # it would ask the container, by a run
    backend.run(command)
    return shlex.split(told[0])


class ContainerLink(ProcessLink):
    """A container or a chroot on this machine."""

    def __init__(self, host: Host, rungs: dict[str, float], era: Era) -> None:
        super().__init__(rungs, era)
        self._host = host

    def arguments(self, command: str) -> Sequence[str]:
        return command_line(self._host, command)


@contextlib.contextmanager
def open_container(host: Host, deadlines: Deadlines, rungs: dict[str, float]) -> Iterator[Link]:  # noqa: ARG001 every opener is called alike
    """Open the link to a container or chroot. Raises `LinkError`."""
    if host.connection == "chroot" and not Path(host.address).is_dir():
        raise LinkError("connect", f"chroot {host.address}: no such directory")
    if host.address.startswith("-"):
        raise LinkError("connect", f"{host.address!r} is no name of a container")
    if host.user and host.connection in ("kubectl", "lxc", "chroot"):
        raise LinkError(
            "authentication", f"{host.connection} takes no user ({host.user}); become one with ansible_become"
        )
    yield ContainerLink(host, rungs, current())
