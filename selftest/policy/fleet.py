"""A small inventory to hold policies against; patterns are group names, host names or `all`, joined by commas."""

from __future__ import annotations

from pathlib import Path

from shipworthy.errors import InventoryError
from shipworthy.inventory import Host, Inventory, Matches
from shipworthy.policy import Policy, load
from shipworthy.policy.language.subjects import Subjects

CHECKS = frozenset(
    f"memory.{claim}" for claim in ("swap_used", "swap_quiet", "available", "pressure", "oom_kills", "fork")
) | {"reachable.login"}
GROUPS = {"all": ("db1", "web1", "web2"), "db": ("db1",), "web": ("web1", "web2")}
SECRET = "s3cret-canary"
VARIABLES: dict[str, dict[str, object]] = {
    "db1": {"secret": SECRET, "sizes": {"swap": 3}, "long": "x" * 1000, "swap_mib": 4096},
    "web1": {"secret": SECRET, "sizes": {}, "long": "x" * 1000},
    "web2": {"secret": SECRET, "sizes": {}, "long": "x" * 1000, "swap_mib": 1},
}


def find(pattern: str) -> Matches:
    if "[" in pattern:
        raise InventoryError.at(pattern, "is no pattern")
    parts = pattern.split(",")
    found = [name for part in parts for name in GROUPS.get(part, (part,) if part in VARIABLES else ())]
    unmatched = [part for part in parts if part not in GROUPS and part not in VARIABLES]
    return Matches(tuple(found), tuple(unmatched))


INVENTORY = Inventory(tuple(Host(name, name) for name in VARIABLES), (), VARIABLES, finder=find)


def understood(folder: Path, *texts: str, subjects: Subjects | None = None) -> Policy:
    """The policy of files with these texts, called one.yml, two.yml, …"""
    paths = []
    for name, text in zip(("one", "two", "three"), texts, strict=False):
        path = folder / f"{name}.yml"
        path.write_text(text)
        paths.append(path)
    return load(paths, INVENTORY, CHECKS, root=folder, subjects=subjects)
