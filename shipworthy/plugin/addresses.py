"""`--addresses-from`: hosts are connected to where an earlier run reached them, so that nothing depends on DNS.

In: the inventory, and the runs that were stored. Out: the same inventory, its hosts with `known_at`; a notice of those
of which no run knows an address, and one that `--addresses-from` would help.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from shipworthy import snapshot as snapshots
from shipworthy.errors import ReplayError, UsageError
from shipworthy.inventory import Host, Inventory
from shipworthy.report.run import file_name
from shipworthy.report.text import some
from shipworthy.snapshot import Snapshot

if TYPE_CHECKING:
    from shipworthy.plugin.options import Options

RUNS = 20
"""How many runs back an address is looked for: the newest ones may have been made without DNS, too."""
_BY_SSH = {"paramiko", "openssh"}


def at_known_addresses(inventory: Inventory, directory: Path) -> Inventory:
    """`directory` is one run's, or that of all runs. Raises UsageError where no run is stored."""
    runs = [directory] if (directory / "run.json").exists() else sorted(directory.glob("2*Z-*"), reverse=True)[:RUNS]
    if not runs:
        raise UsageError.at("--addresses-from", f"{directory}: no run is stored there")
    hosts = tuple(_known(host, runs) for host in inventory.hosts)
    unknown = [host.name for host in hosts if _has_a_name(host) and host.known_at is None]
    notice = f"--addresses-from: no run knows where {some(unknown)} was reached: its name is looked up"
    return replace(inventory, hosts=hosts, notices=(*inventory.notices, *([notice] if unknown else [])))


def is_unresolved(snapshot: Snapshot) -> bool:
    """Whether the host was not reached because its name leads nowhere."""
    return snapshot.login.failed is not None and snapshot.login.failed.rung == "resolve"


def notices(unresolved: list[str], options: Options) -> list[str]:
    """What there is to be done about it."""
    if not unresolved or options.addresses_from:
        return []
    names = some(sorted(unresolved))
    return [f"no address was found for {names}: --addresses-from=latest reaches hosts where an earlier run did"]


def _known(host: Host, runs: list[Path]) -> Host:
    for run in runs if _has_a_name(host) else ():
        path = run / "snapshots" / file_name(host.name, ".json.gz")
        with suppress(ReplayError, ValueError):
            address = snapshots.load(path).login.address
            if address is not None:
                return replace(host, known_at=str(ip_address(address)))
    return host


def _has_a_name(host: Host) -> bool:
    """Whether something must be looked up to reach the host."""
    if host.connection not in _BY_SSH:
        return False
    try:
        ip_address(host.address.strip("[]"))
    except ValueError:
        return True
    return False
