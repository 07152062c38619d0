"""The nouns of an inventory: a host, a secret, whom to become there, and the hosts of a run.

All frozen; hosts are picklable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Literal

from shipworthy.errors import InventoryError, Problem

Connection = Literal["paramiko", "openssh", "local", "docker", "podman", "kubectl", "lxc", "chroot"]
HostKeyChecking = Literal["yes", "accept-new", "off"]


@dataclass(frozen=True)
class Secret:
    """A text that is never shown: its repr and str are stars, `reveal()` is the only way to it."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        return self._text

    def __str__(self) -> str:
        return "********"

    __repr__ = __str__


@dataclass(frozen=True)
class Become:
    """Whom to become on the host, by sudo."""

    user: str = "root"
    password: Secret | None = None


@dataclass(frozen=True)
class Host:
    """One machine of the inventory: all that a link needs to reach it, and nothing else."""

    name: str
    address: str
    connection: Connection = "paramiko"
    port: int | None = None
    user: str | None = None
    password: Secret | None = None
    private_key_file: str | None = None
    become: Become | None = None
    python: str | None = None
    """`ansible_python_interpreter`; without one, the host's usual places are tried."""
    ssh_options: tuple[tuple[str, str], ...] = ()
    """ssh_config keywords (lower case) and values, from `ansible_ssh_common_args`; first one wins."""
    ssh_config: str | None = None
    """Another ssh configuration file instead of the user's."""
    container_options: tuple[tuple[str, str], ...] = ()
    """What testinfra's container backend takes beyond a name: `container`, `namespace`, `kubeconfig`, `context`."""
    host_key_checking: HostKeyChecking | None = None
    """None leaves it to ssh's configuration, which means `yes` unless it says otherwise."""
    connect_timeout: float | None = None
    groups: tuple[str, ...] = field(default=(), compare=False)
    known_at: str | None = None
    """Where it was reached before, to be connected to without a look at where its name leads; keys are checked by its
    name all the same. Through a bastion or a ProxyCommand it is not used."""


class UnrenderedError(InventoryError):
    """A variable of a host that cannot be templated: where it is written, and why, apart from one another."""

    def __init__(self, place: str, variable: str, host: str, why: str) -> None:
        super().__init__(Problem(place, f"{variable} of {host}: {why}"))
        self.why = why
        self._said = place, variable, host, why

    def __reduce__(self) -> Any:
        return type(self), self._said


@dataclass(frozen=True)
class Matches:
    """The hosts that a pattern names, in inventory order, and those of its parts that name no host or group at all."""

    hosts: tuple[str, ...]
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inventory:
    """The selected hosts, in inventory order, and what the inventory knows of them."""

    hosts: tuple[Host, ...]
    sources: tuple[str, ...]
    variables: Mapping[str, Mapping[str, object]] = field(repr=False, default_factory=dict)
    """By host name; plain data, templated when it is looked up, so that what nobody asks for need not be defined here.
    A look-up raises `InventoryError` when the value cannot be templated; iterating templates all, and leaves those out.
    May hold secrets: for policy values only, never shown."""
    notices: tuple[str, ...] = ()
    """What a person should know of the inventory, one line each; nothing that was lost or misread."""
    vaulted: Set[str] = field(repr=False, compare=False, default=frozenset())
    """What was opened of the vault; grows while variables are looked up. Never shown: see `redaction`."""
    finder: Callable[[str], Matches] | None = field(repr=False, compare=False, default=None)
    """Evaluates a pattern over the whole inventory, `--limit` aside; without one, over `hosts` and their groups."""

    def find(self, pattern: str) -> Matches:
        """Evaluate an Ansible pattern over the whole inventory.

        Raises `InventoryError` for what is no pattern.
        """
        if self.finder is not None:
            return self.finder(pattern)
        from shipworthy.inventory.reading import finder_over  # ansible: only when a pattern is really asked for

        return finder_over(self.hosts)(pattern)

    def matching(self, pattern: str, *, everywhere: bool = False) -> tuple[str, ...]:
        """Names of the selected hosts (or of all that the inventory has) that an Ansible pattern matches, in order."""
        found = self.find(pattern).hosts
        if everywhere:
            return found
        among = frozenset(found)
        return tuple(host.name for host in self.hosts if host.name in among)
