"""A set of hosts as a check sees it: what each said and by which policy, one after the other.

In: the run's stored snapshots, when every host has answered. Out: `Fleet`.
Snapshots are read back from the run's files, one at a time: a fleet's would not all fit.
"""

from __future__ import annotations

from collections.abc import Iterator

from shipworthy import snapshot as snapshots
from shipworthy.errors import NotMeasured
from shipworthy.plugin.session import Run
from shipworthy.policy import HostPolicy
from shipworthy.snapshot import Snapshot


class Fleet:
    """The hosts of a run."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def cut(self) -> str | None:
        """The pattern that left some hosts of the inventory out of this run; a set that is cut must be told so."""
        return self._run.options.limit

    def policy(self, host: str) -> HostPolicy:
        """What must be true of `host`."""
        return self._run.policies[host]

    def snapshots(self, check: str) -> Iterator[Snapshot]:
        """What each host said, in the inventory's order, but for those on which policy turns `check` off.

        Also of hosts that could not be reached, whose readings raise NotMeasured. Raises NotMeasured where no snapshot
        is kept.
        """
        files = self._run.files
        if files is None or files.unwritten:
            raise NotMeasured(f"the hosts' snapshots are not at hand: {files.unwritten if files else 'none are kept'}")
        for host in self._run.hosts:
            path = files.directory.snapshot(host)
            if check not in self.policy(host).off and path.exists():
                yield snapshots.load(path)
