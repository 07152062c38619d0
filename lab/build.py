"""Building a lab and taking it away: the network, the hosts, their keys, and the directory that holds them.

In: how many hosts, or their names. Out: a `Lab`, whose hosts answer SSH from within its network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from lab import cgroups
from lab.errors import LabError
from lab.files import make_key, plant
from lab.here import Here
from lab.host import LabHost, NamespaceHost
from lab.keeping import Keeper, children, kept
from lab.leftovers import lab_directory
from lab.proc import calm
from lab.waiting import wait_until

HERE = Path(__file__).parent
ADDRESS, ADDRESS6 = "10.77.0.1", "fd77::1"
_NAMES = ("db", "web", "app", "cache", "mail", "proxy", "queue", "search", "store", "build")
_READY_SECONDS = 30.0


@dataclass(frozen=True)
class Lab(Sequence[LabHost]):
    """A running lab: its hosts, in order, and the place from which they are reached."""

    directory: Path
    hosts: tuple[LabHost, ...]
    here: Here

    @overload
    def __getitem__(self, index: int) -> LabHost: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[LabHost, ...]: ...
    def __getitem__(self, index: int | slice) -> LabHost | tuple[LabHost, ...]:
        return self.hosts[index]

    def __len__(self) -> int:
        return len(self.hosts)

    @property
    def private_key(self) -> Path:
        return self.directory / "key"


@contextmanager
def lab(hosts: int | None = None, *, names: Sequence[str] | None = None, prepared: bool = True) -> Iterator[Lab]:
    """Build a lab of so many hosts, or of hosts with these names; it is gone when the block ends, however it ends.

    With `prepared=False` the hosts show this machine's own /proc/meminfo and the like: see `lab.proc`.
    """
    chosen = tuple(names) if names is not None else default_names(2 if hosts is None else hosts)
    require_names(chosen)
    with lab_directory() as directory:
        addresses = {name: (f"10.77.0.{n}", f"fd77::{n:x}") for n, name in enumerate(chosen, 11)}
        _plant_all(directory, addresses, prepared=prepared)
        with _running(directory) as (init, inits):
            here = Here(init)
            made = (NamespaceHost(name, *addresses[name], inits[name], directory, here) for name in chosen)
            yield Lab(directory, tuple(made), here)


def default_names(count: int) -> tuple[str, ...]:
    """The first `count` of the names that hosts get when nobody names them: db, web, …, host11, …"""
    return (*_NAMES, *(f"host{n}" for n in range(len(_NAMES) + 1, count + 1)))[:count]


def require_names(names: Sequence[str]) -> None:
    """A host's name is also its interface's, here: at most 15 characters."""
    bad = [name for name in names if not re.fullmatch(r"[a-z][a-z0-9-]{0,14}", name) or name in {"lo", "lab0"}]
    if bad or len(set(names)) != len(names) or not 0 < len(names) <= 200:
        raise LabError(f"no names for a lab: {', '.join(names) or 'none'}")


def _plant_all(directory: Path, addresses: dict[str, tuple[str, str]], *, prepared: bool) -> None:
    authorized = make_key(directory / "key")
    known = []
    for name in addresses:
        home = directory / name
        home.mkdir()
        public = make_key(home / "host_key")
        known += [f"{address} {public}" for address in addresses[name]]
        plant(home / "files", name, addresses, authorized, home / "host_key")
        (home / "prepared").mkdir()
        groups = cgroups.make(directory.name, name) if prepared else []
        (home / "cgroups").write_text("".join(f"{group} {kind} {of}\n" for group, (_, kind, of) in groups))
        for path, text in (calm() if prepared else {}).items():
            file = home / "prepared" / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    (directory / "known_hosts").write_text("".join(known))
    lines = (f"{name} {v4} {v6}\n" for name, (v4, v6) in addresses.items())
    (directory / "hosts").write_text("".join(lines))


@contextmanager
def _running(directory: Path) -> Iterator[tuple[int, dict[str, int]]]:
    """Start the lab's processes; its PID 1 and that of each host."""
    with kept(HERE / "here.sh", directory, ADDRESS, ADDRESS6) as keeper:
        yield _ready(keeper, directory)


def _ready(keeper: Keeper, directory: Path) -> tuple[int, dict[str, int]]:
    names = [line.split()[0] for line in (directory / "hosts").read_text().splitlines()]
    inits: dict[str, int] = {}
    init = 0

    def everyone_listens() -> bool:
        nonlocal init
        init = init or keeper.init
        for name in names if len(inits) < len(names) else ():
            if name not in inits and (found := _init_of(name, init)):
                inits[name] = found
        return len(inits) == len(names) and all(
            Path(f"/proc/{pid}/root/run/sshd.pid").exists() for pid in inits.values()
        )

    try:
        wait_until(everyone_listens, within=_READY_SECONDS, what="every host's sshd")
    except LabError as error:
        raise LabError(f"{error}; {keeper.told}") from error
    for parent in children(init):
        for name in (name for name, pid in inits.items() if pid in children(parent)):
            cgroups.settle(directory.name, name, parent)
    return init, inits


def _init_of(name: str, lab_init: int) -> int:
    for keeper in children(lab_init):
        for pid in children(keeper):
            command = _command(pid)
            if len(command) > 3 and command[1].endswith("/host.sh") and command[3] == name:
                return pid
    return 0


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
