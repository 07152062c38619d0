"""A stored run, read back to be judged again.

In: a run's directory. Out: what its run.json says; a ReplayError that names the file when that is no record of a run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from shipworthy.errors import InventoryError, PolicyError, ReplayError, UsageError
from shipworthy.inventory import find_source
from shipworthy.inventory.specs import BY_HOSTS
from shipworthy.plugin.options import Options
from shipworthy.policy import HostPolicy
from shipworthy.report.run import SCHEMA


class StoredRun(NamedTuple):
    """What a run said of itself."""

    path: Path
    """Its run.json."""
    started: datetime
    hosts: tuple[str, ...]
    inventories: tuple[str, ...]
    limit: str | None
    policies: tuple[str, ...]
    details: Mapping[str, Any]

    def effective_policies(self) -> dict[str, HostPolicy]:
        """The policy of each host as it was then."""
        try:
            read = {key: HostPolicy.from_document(document) for key, document in self.details["policies"].items()}
            return {name: read[self.details["policy_of"][name]] for name in self.hosts}
        except (KeyError, TypeError, AttributeError, PolicyError) as error:
            raise ReplayError.at(str(self.path), f"its policies cannot be read ({_told(error)})") from error


def read(directory: Path) -> StoredRun:
    """The run that was stored in `directory`; raises ReplayError."""
    path = directory / "run.json"
    if directory.is_file():
        raise ReplayError.at("--replay", f"{directory} is a file; a run's directory is wanted, such as reports/latest")
    try:
        facts = json.loads(path.read_bytes())
        if facts["schema"] != SCHEMA:
            raise ReplayError.at(str(path), f"schema {facts['schema']!r}, not {SCHEMA}")
        hosts, inventories, policies = (tuple(map(str, facts[name])) for name in ("hosts", "inventories", "policies"))
        started = datetime.fromisoformat(facts["started"])
        limit = str(facts["limit"]) if facts["limit"] else None
        return StoredRun(path, started, hosts, inventories, limit, policies, dict(facts["details"]))
    except OSError as error:
        raise ReplayError.at(str(path), error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ReplayError.at(str(path), f"no record of a run ({_told(error)})") from error


def by_its_inventory(options: Options, stored: StoredRun, rootdir: Path) -> Options:
    """`options`, with the inventory and the limit of the stored run unless hosts are named now."""
    if options.inventory or options.hosts:
        return options
    if stored.inventories == (BY_HOSTS,):
        raise UsageError.at("--replay", "that run was given its hosts by --hosts; give them again, or --policy-as-run")
    for name in stored.inventories:
        try:
            find_source(name, rootdir)
        except InventoryError:
            why = f"the inventory of that run is gone ({name}): give one by --inventory=, or --policy-as-run"
            raise UsageError.at("--replay", why) from None
    return replace(options, inventory=stored.inventories, limit=options.limit or stored.limit)


def is_replay(directory: Path) -> bool:
    """Whether the run that was stored in `directory` asked no host, but judged another run again."""
    try:
        return bool(json.loads((directory / "run.json").read_bytes())["replay_of"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _told(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
