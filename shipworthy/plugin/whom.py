"""Whom a run is of: the inventory that its options name, read while everything else is loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shipworthy import inventory as inventories
from shipworthy.errors import InventoryError, Problem
from shipworthy.inventory import Inventory
from shipworthy.inventory.beside import beside
from shipworthy.plugin.options import Options


@contextmanager
def reading(options: Options, config: pytest.Config) -> Iterator[Callable[[Options], Inventory]]:
    """Begin to read; what is yielded gives the inventory, when it is needed, and raises UsageError.

    In a replay, the stored run has a word in what the options are.
    """
    if options.hosts or options.replay:
        yield lambda options: read(options, config.rootpath)
        return

    of_tests: object = config.pluginmanager.rewrite_hook

    def read_beside() -> Inventory:
        # pytest looks at each module that is imported, whether it holds tests; none of Ansible's many does.
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not of_tests]
        return read(options, config.rootpath)

    with beside(read_beside) as inventory:
        yield lambda _: inventory()


def read(options: Options, rootdir: Path) -> Inventory:
    """The inventory that `options` name; raises UsageError."""
    if options.hosts:
        return inventories.from_specs(options.hosts, connection=options.connection)
    try:
        return inventories.load(options.inventory, options.limit, rootdir=rootdir, connection=options.connection)
    except InventoryError as error:  # named as it was given, which need not be by the option
        told = ((problem.place.replace("--inventory", options.inventory_by), problem) for problem in error.problems)
        raise InventoryError.of(Problem(place, problem.reason) for place, problem in told) from None
