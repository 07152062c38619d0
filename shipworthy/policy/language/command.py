"""`python -m shipworthy policy …`: what holds for a host, the schema, the reference.

In: arguments. Out: text on standard output; a `UsageError` is `__main__`'s to tell.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from shipworthy import inventory as inventories
from shipworthy.checks import CHECKS, ids
from shipworthy.policy.language.loading import load
from shipworthy.policy.language.reference import reference
from shipworthy.policy.language.schema import schema
from shipworthy.policy.language.subjects import discover

HELP = "what must be true of the hosts: explain, schema, reference"


def main(arguments: Sequence[str], program: str) -> int:
    """Run one of the sub-commands; 0 when it did what it says."""
    parser = argparse.ArgumentParser(program, description=f"{HELP}.")
    commands = parser.add_subparsers(dest="command", required=True)
    explaining = commands.add_parser("explain", help="each effective limit and expectation, with file and line")
    explaining.add_argument("host", metavar="HOST", help="a host, or a pattern of hosts as --limit takes it")
    explaining.add_argument("--inventory", action="append", metavar="NAME|PATH", help="as the suite takes it")
    explaining.add_argument("--policy", action="append", metavar="PATH", help="instead of what the inventory brings")
    commands.add_parser("schema", help="docs/policy.schema.json: for editors")
    commands.add_parser("reference", help="docs/policy.md: what a policy can say")
    asked = parser.parse_args(arguments)
    match asked.command:
        case "schema":
            text = schema(discover())
        case "reference":
            text = reference(discover())
        case _:
            text = _explained(asked.host, asked.inventory, asked.policy)
    sys.stdout.write(text)
    return 0


def _explained(pattern: str, sources: Sequence[str] | None, policies: Sequence[str] | None) -> str:
    root = Path.cwd()
    sources = sources or [os.environ.get("SHIPWORTHY_INVENTORY") or "local"]
    inventory = inventories.load(sources, pattern, rootdir=root)
    beside = (inventories.policy_beside(source, root) for source in sources)
    files = [root / path for path in policies] if policies else [path for path in beside if path]
    policy = load(files, inventory, ids([CHECKS, root / "tests"]))
    notices = "".join(f"note: {notice}\n" for notice in policy.notices)
    told = [f"# {host.name}\n\n{policy.for_host(host.name).explain()}" for host in inventory.hosts]
    return _inert(inventories.Redaction.of(inventory)(notices + "\n".join(told)))


def _inert(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(one if one.isprintable() or one == "\n" else repr(one)[1:-1] for one in text)
