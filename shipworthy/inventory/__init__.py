"""Who the hosts are and how to log in: Ansible inventories, or testinfra's host specifications → `Host`s.

In: inventory sources and patterns as Ansible takes them. Out: an `Inventory` of frozen, picklable hosts.

    model.py        the nouns
    sources.py      what `--inventory=staging` means, and which policy it brings along
    beside.py       the reading of an inventory, in a process of its own, while this one loads the rest
    reading.py      sources → hosts, their login, and every problem at once
    fleet.py        what Ansible knows: hosts, groups, variables, patterns; ansible costs 0.4 s, hence only when needed
    machinery.py    Ansible's machinery, with the few screws turned that a suite needs turned
    hearing.py      what Ansible only warns about → problems
    wording.py      its messages → ours, without the lines and values that they quote
    login.py        a host's variables → how to log in
    names.py        Ansible's names for that
    ssh_options.py  `ansible_ssh_common_args` → ssh_config keywords
    redaction.py    stars for what must not be shown
    specs.py        `--hosts=ssh://root@db1` → hosts

All of them raise `InventoryError` with the places and the reasons, and no secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shipworthy.inventory.model import Become, Connection, Host, HostKeyChecking, Inventory, Matches, Secret
from shipworthy.inventory.redaction import Redaction
from shipworthy.inventory.sources import find_source, policy_beside
from shipworthy.inventory.specs import from_specs

__all__ = [
    "Become",
    "Connection",
    "Host",
    "HostKeyChecking",
    "Inventory",
    "Matches",
    "Redaction",
    "Secret",
    "find_source",
    "from_specs",
    "load",
    "policy_beside",
]


def load(
    sources: Sequence[str],
    limit: str | None = None,
    *,
    rootdir: Path,
    connection: str | None = None,
    vault_password_files: Sequence[str] = (),
) -> Inventory:
    """Read inventory `sources` (names, files, directories, host lists) and keep the hosts that match `limit`.

    `connection` is for hosts whose inventory does not say `ansible_connection`. Vault passwords come from Ansible's own
    settings (`ANSIBLE_VAULT_PASSWORD_FILE`, `ansible.cfg`), and from `vault_password_files`.
    """
    from shipworthy.inventory import reading

    return reading.load(
        sources, limit, rootdir=rootdir, connection=connection, vault_password_files=vault_password_files
    )
