"""Whom a run is of: the inventory that its options name, read while everything else is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shipworthy import inventory as inventories
from shipworthy.errors import InventoryError, Problem
from shipworthy.inventory import Inventory
from shipworthy.inventory.beside import beside
from shipworthy.plugin.options import Options


@contextmanager
def reading(options: Options, rootdir: Path) -> Iterator[Callable[[Options], Inventory]]:
    """Begin to read; what is yielded gives the inventory, when it is needed, and raises UsageError.

    In a replay, the stored run has a word in what the options are.
    """
    if options.hosts or options.replay:
        yield lambda options: read(options, rootdir)
    else:
        with beside(lambda: read(options, rootdir)) as inventory:
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
