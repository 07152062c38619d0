"""An Ansible inventory for a lab: where its hosts are, and how to log in.

In: a lab, and what to say differently of some hosts. Out: the inventory's path, ready for `--inventory=`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from lab.build import Lab


def write_inventory(
    lab: Lab, directory: Path | None = None, *, variables: Mapping[str, Mapping[str, object]] | None = None
) -> Path:
    """Write `lab.yml` into `directory` (the lab's own by default); the inventory's path.

    `variables` adds to, or overrides, what stands there of a host, by its name; a value of None leaves one out.
    """
    hosts = {}
    for host in lab:
        told = {**host.inventory_vars(), **(variables or {}).get(host.name, {})}
        hosts[host.name] = {name: value for name, value in told.items() if value is not None}
    path = (directory or lab.directory) / "lab.yml"
    # JSON is YAML: no quoting to get wrong.
    path.write_text(json.dumps({"all": {"hosts": hosts}}, indent=2) + "\n")
    return path
