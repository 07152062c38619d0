"""Inventory sources → the hosts of a run: read, limited, and each given its login; every problem told, at once."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from shipworthy.errors import InventoryError, Problem
from shipworthy.inventory import login
from shipworthy.inventory.deadline import LONGEST, deadline
from shipworthy.inventory.fleet import Fleet, Variables
from shipworthy.inventory.hearing import hearing
from shipworthy.inventory.machinery import OPENED, settings
from shipworthy.inventory.model import Host, Inventory, Matches
from shipworthy.inventory.sources import find_source
from shipworthy.inventory.wording import shown


def load(
    sources: Sequence[str],
    limit: str | None,
    *,
    rootdir: Path,
    connection: str | None,
    vault_password_files: Sequence[str],
) -> Inventory:
    """See `shipworthy.inventory.load`."""
    located = _locate(sources, rootdir)
    where = tuple(shown(source, rootdir) for source in located)
    with _uncollected(), deadline(LONGEST, ", ".join(where)):
        fleet = Fleet(located, rootdir, vault_password_files)
        _refuse(
            Problem(", ".join(where), f"{name!r} is no name: it is not UTF-8")
            for name in fleet.names()
            if not _is_text(name)
        )
        if not fleet.names():
            raise InventoryError.at(", ".join(where), "holds no host")
        selected = fleet.names() if limit is None else _limited(fleet, limit)
        with hearing(rootdir) as heard:
            variables = _variables(fleet, selected)
            hosts = _log_in(fleet, variables, connection)
        _refuse(heard.problems())
    return Inventory(
        hosts=hosts,
        sources=where,
        variables=variables,
        notices=tuple(dict.fromkeys(fleet.notices + heard.notices())),
        vaulted=OPENED,
        finder=fleet.find,
    )


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector, which finds nothing in Ansible's modules and takes a tenth of their import."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def finder_over(hosts: Iterable[Host]) -> Callable[[str], Matches]:
    """Patterns over hosts that no inventory told of, by the groups that stand in them."""
    fleet = Fleet((), Path.cwd())
    for host in hosts:
        fleet.add(host)
    return fleet.find


def _locate(sources: Sequence[str], rootdir: Path) -> tuple[str, ...]:
    located: dict[str, None] = {}
    problems = [] if sources else [Problem("--inventory", "names no inventory")]
    for source in sources:
        try:
            located[find_source(source, rootdir)] = None
        except InventoryError as error:
            problems.extend(error.problems)
    _refuse(problems)
    return tuple(located)


def _limited(fleet: Fleet, limit: str) -> tuple[str, ...]:
    place = f"--limit={limit}"
    try:
        matches = fleet.limit(limit)
    except InventoryError as error:
        raise InventoryError.of(Problem(place, problem.reason) for problem in error.problems) from None
    _refuse(Problem(place, f"{part!r} is no host and no group of the inventory") for part in matches.unmatched)
    if not matches.hosts:
        raise InventoryError.at(place, "selects no host")
    return matches.hosts


def _variables(fleet: Fleet, names: Sequence[str]) -> dict[str, Variables]:
    """A file that cannot be read is told once, not once for each host that it is for."""
    variables: dict[str, Variables] = {}
    problems: list[Problem] = []
    for name in names:
        try:
            variables[name] = fleet.variables_of(name)
        except InventoryError as error:
            problems.extend(error.problems)
    _refuse(problems)
    return variables


def _log_in(fleet: Fleet, variables: Mapping[str, Variables], connection: str | None) -> tuple[Host, ...]:
    """Every host's login; what does not fit is told once for all the hosts that it does not fit on."""
    defaults = settings()
    hosts: list[Host] = []
    misfits: dict[tuple[str, login.Misfit], list[str]] = {}
    for name, its_own in variables.items():
        reader = login.Login(its_own, defaults)
        host = login.host_of(name, reader, groups=fleet.groups_of(name), default_connection=connection)
        hosts.extend([host] if host else [])
        for misfit in reader.misfits:
            misfits.setdefault((its_own.place(misfit.variable) or _elsewhere(misfit), misfit), []).append(name)
    _refuse(
        Problem(place, f"{misfit.variable} of {_some(names)}: {misfit.reason}")
        for (place, misfit), names in misfits.items()
    )
    return tuple(hosts)


def _elsewhere(misfit: login.Misfit) -> str:
    """What stands in no inventory comes from an option, from `ansible.cfg` or from the environment."""
    return "" if misfit.variable.startswith("--") else "Ansible's settings"


def _is_text(name: str) -> bool:
    """What was not UTF-8 in a file comes as lone surrogates, which no other file or stream takes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _some(names: Sequence[str], shown: int = 3) -> str:
    if len(names) <= shown:
        return ", ".join(names)
    return f"{', '.join(names[:shown])} and {len(names) - shown} more"


def _refuse(problems: Iterable[Problem]) -> None:
    if found := tuple(dict.fromkeys(problems)):
        raise InventoryError.of(found)
