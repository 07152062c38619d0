"""What a user may ask of a run, and what is refused in plain words.

In: pytest's configuration. Out: `Options`, validated; or a UsageError.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from shipworthy.errors import UsageError
from shipworthy.inventory.names import CONNECTIONS

DEFAULT_INVENTORY = "the default inventory"
"""What names the inventory when nobody does: `inventories/local.yml`."""

_WITH_A_PATH = ("--inventory", "--policy", "--replay", "--reports", "--addresses-from")

_TESTINFRA = {
    "ssh_config": "set `ansible_ssh_common_args` in the inventory, or `ssh_config=` in --hosts",
    "ssh_extra_args": "set `ansible_ssh_common_args` in the inventory",
    "ssh_identity_file": "set `ansible_ssh_private_key_file` in the inventory, or `ssh_identity_file=` in --hosts",
    "sudo": "set `ansible_become: true` in the inventory",
    "sudo_user": "set `ansible_become_user` in the inventory",
    "ansible_inventory": "use --inventory=",
    "force_ansible": "every connection is Shipworthy's own",
    "nagios": "use results.jsonl of the run",
}
"""testinfra's options and what stands for each here: never ignored, so refused."""


@dataclass(frozen=True)
class Options:
    """What this run was asked to do."""

    inventory: tuple[str, ...]
    """Empty with `--replay` and no word of an inventory: that of the stored run."""
    inventory_by: str
    """What names it: the option, the environment's variable, or nothing."""
    hosts: str | None
    limit: str | None
    policy: tuple[str, ...]
    reports: Path
    replay: Path | None
    policy_as_run: bool
    at: str | None
    forks: int
    deadline: float
    connect_timeout: float
    window: float
    login_rate: float
    addresses_from: Path | None
    connection: str | None
    fail_on_warning: bool


def add(parser: pytest.Parser) -> None:
    """Declare the options. `--hosts` and `--connection` are testinfra's own, and read from there."""
    group = parser.getgroup("shipworthy", "Shipworthy: is this fleet fit to run production on?")
    option = group.addoption
    option(
        "--inventory",
        action="append",
        default=[],
        metavar="SOURCE",
        help="Ansible inventory: a name in inventories/, a file or a directory; repeatable (local)",
    )
    option("--limit", metavar="PATTERN", help="only these hosts: an Ansible pattern, such as web:&eu:!web3")
    option(
        "--policy",
        action="append",
        default=[],
        metavar="PATH",
        help="what must be true of them, instead of the inventory's own policies/NAME.yml; repeatable",
    )
    option("--reports", default="reports", metavar="DIR", help="where runs leave their files (reports)")
    option("--replay", metavar="DIR", help="judge the stored run in DIR again; no host is touched")
    option("--policy-as-run", action="store_true", help="with --replay: by the policy of that run, not today's")
    option("--at", metavar="TIME", help="the time that checks are told: 2027-01-15, 2027-01-15T06:00Z or +30d")
    option("--forks", type=int, default=50, metavar="N", help="ask N hosts at a time (50)")
    option("--deadline", type=float, default=30.0, metavar="SECONDS", help="for one host in all, from its turn on (30)")
    option("--connect-timeout", type=float, default=5.0, metavar="SECONDS", help="for the TCP connection (5)")
    option(
        "--window",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="how long rates are measured; 10 s when one is in doubt (1)",
    )
    option("--login-rate", type=float, default=10.0, metavar="N", help="logins a second through one bastion (10)")
    option(
        "--addresses-from",
        metavar="latest|DIR",
        help="connect to hosts where an earlier run reached them, and look no name up: for when DNS is down",
    )
    option("--fail-on-warning", action="store_true", help="exit 1 also when something is only warned of")


def read(config: pytest.Config) -> Options:
    """The options of this run; raises UsageError for what cannot be meant."""
    _refuse_separate_paths(config)
    _refuse_testinfra(config)
    _refuse_workers(config)
    get = config.getoption
    root = config.invocation_params.dir
    inventory, by = _inventory(get)
    options = Options(
        inventory=inventory,
        inventory_by=by,
        hosts=get("hosts", None),
        limit=get("limit"),
        policy=tuple(get("policy")),
        reports=root / get("reports"),
        replay=root / get("replay") if get("replay") else None,
        policy_as_run=get("policy_as_run"),
        at=get("at"),
        forks=get("forks"),
        deadline=get("deadline"),
        connect_timeout=get("connect_timeout"),
        window=get("window"),
        login_rate=get("login_rate"),
        addresses_from=_addresses_from(get, root),
        connection=get("connection", None),
        fail_on_warning=get("fail_on_warning"),
    )
    _refuse_nonsense(options, asked_inventory=bool(get("inventory")))
    return options


def wanted(config: pytest.Config) -> bool:
    """Whether this is a run of Shipworthy's at all, and not some other project's tests beside which it is installed."""
    get = config.getoption
    asked = get("inventory") or get("policy") or get("replay") or get("limit") or os.environ.get("SHIPWORTHY_INVENTORY")
    named = any(str(argument).startswith("shipworthy.tests") for argument in config.args)
    return bool(asked) or named or (config.rootpath / "inventories").is_dir()


def told_time(at: str | None, now: datetime) -> datetime:
    """The time that checks are told, for `--at`; raises UsageError."""
    if at is None:
        return now
    if days := re.fullmatch(r"\+(\d{1,5})d", at):
        return now + timedelta(days=int(days[1]))
    try:
        time = datetime.fromisoformat(at)
    except ValueError as error:
        raise UsageError.at("--at", f"{at!r} is neither a date (2027-01-15) nor days from now (+30d)") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _inventory(get: Callable[[str], Any]) -> tuple[tuple[str, ...], str]:
    """The inventories, and what says so."""
    if get("inventory"):
        return tuple(get("inventory")), "--inventory"
    if get("replay"):
        return (), "--replay"
    if named := os.environ.get("SHIPWORTHY_INVENTORY"):
        return (named,), "SHIPWORTHY_INVENTORY"
    return ("local",), DEFAULT_INVENTORY


def _addresses_from(get: Callable[[str], Any], root: Path) -> Path | None:
    """The directory of the run, or of all runs: the newest that knows a host's address has it."""
    match get("addresses_from"):
        case None:
            return None
        case "latest":
            return root / str(get("reports"))
        case said:
            return root / str(said)


def _refuse_separate_paths(config: pytest.Config) -> None:
    """`--inventory /elsewhere/x.yml`: pytest, not knowing the option yet, took the path for its root directory."""
    arguments = [str(argument) for argument in config.invocation_params.args]
    for name, value in pairwise(arguments):
        if name in _WITH_A_PATH:
            raise UsageError.at(name, f"write {name}={value}: pytest takes a separate value for a path of its own")


def _refuse_testinfra(config: pytest.Config) -> None:
    for name, instead in _TESTINFRA.items():
        if config.getoption(name, None):
            raise UsageError.at(f"--{name.replace('_', '-')}", f"testinfra's option is not used here: {instead}")


def _refuse_workers(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None) or hasattr(config, "workerinput"):
        raise UsageError.at("-n", "every xdist worker would log in to every host; hosts are asked in parallel anyway")


def _refuse_todays(options: Options, *, asked_inventory: bool) -> None:
    """`--policy-as-run` reads nothing of today's, and so cannot go by it."""
    if not options.replay:
        raise UsageError.at("--policy-as-run", "goes with --replay=DIR")
    asked = {"inventory": asked_inventory, "policy": options.policy, "limit": options.limit, "hosts": options.hosts}
    for name in (name for name, value in asked.items() if value):
        raise UsageError.at(f"--{name}", "is today's; --policy-as-run takes hosts and policies of the stored run")


def _refuse_nonsense(options: Options, *, asked_inventory: bool) -> None:
    if options.hosts and asked_inventory:
        raise UsageError.at("--hosts", "is for use without an inventory; with one, use --limit")
    if options.hosts is not None and not options.hosts.strip(" ,"):
        raise UsageError.at("--hosts", "is empty")
    if options.connection and options.connection not in CONNECTIONS:
        known = ", ".join(name for name in CONNECTIONS if "." not in name)
        raise UsageError.at(f"--connection={options.connection}", f"is no connection; these are: {known}")
    if options.policy_as_run:
        _refuse_todays(options, asked_inventory=asked_inventory)
    for name in ("forks", "deadline", "connect_timeout", "window", "login_rate"):
        if not 0 < getattr(options, name) < math.inf:
            raise UsageError.at(
                f"--{name.replace('_', '-')}", f"{getattr(options, name)} is not a finite number above 0"
            )
    if options.replay and options.addresses_from:
        raise UsageError.at("--addresses-from", "goes not with --replay: no host is connected to")
    if options.window > options.deadline / 2:
        raise UsageError.at("--window", f"is more than half of the deadline, {options.deadline:g} s")
