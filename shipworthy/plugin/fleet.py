"""A set of hosts as a check sees it: what each said and by which policy, one after the other.

In: the run's stored snapshots, when every host has answered. Out: `Fleet`.
Snapshots are read back from the run's files, one at a time: a fleet's would not all fit.
"""

from __future__ import annotations

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

    def hosts(self, check: str) -> list[str]:
        """The names of the hosts, in the inventory's order, but for those on which policy turns `check` off."""
        return [host for host in self._run.hosts if check not in self.policy(host).off]

    def snapshot(self, host: str) -> Snapshot:
        """What `host` said; of one that could not be reached, every reading raises NotMeasured.

        Raises NotMeasured where there is no snapshot: in a replay, of a host that was not asked then.
        """
        files = self._run.files
        if files is None or files.unwritten:
            raise NotMeasured(f"the hosts' snapshots are not at hand: {files.unwritten if files else 'none are kept'}")
        path = files.directory.snapshot(host)
        return snapshots.load(path) if path.exists() else self._run.snapshot(host)
