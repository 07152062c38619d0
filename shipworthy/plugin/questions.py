"""What a run cost name servers: a budget that is told.

In: snapshots, as they come. Out: a line for the run's notices: `dns: 96 questions to 3 name servers by 4 hosts and
from here`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shipworthy.errors import NotMeasured
from shipworthy.report.text import plural
from shipworthy.snapshot import Snapshot

SUBJECTS = ("dns", "certificates")
"""Of whom some are asked: of names, and of who may issue certificates for them."""


@dataclass
class Questions:
    """Questions put to name servers so far."""

    count: int = 0
    servers: set[str] = field(default_factory=set)
    hosts: int = 0
    from_here: bool = False

    def add(self, snapshot: Snapshot, *, from_here: bool = False) -> None:
        """Those of one host more, or of this machine."""
        readings = [each for subject in SUBJECTS if (each := _reading(snapshot, subject)) and each.asked]
        for reading in readings:
            self.count += reading.asked
            self.servers.update(server.address for server in reading.servers)
        self.hosts += bool(readings) and not from_here
        self.from_here |= bool(readings) and from_here

    def notices(self) -> list[str]:
        """Nothing where nothing was asked."""
        if not self.count:
            return []
        by = [f"by {plural(self.hosts, 'host')}"] if self.hosts else []
        who = " and ".join([*by, *(["from here"] if self.from_here else [])])
        return [f"dns: {plural(self.count, 'question')} to {plural(len(self.servers), 'name server')} {who}"]


def _reading(snapshot: Snapshot, subject: str) -> Any:
    """None where there is none: why is told by the checks."""
    try:
        return snapshot.reading(subject) if subject in snapshot.asked["probes"] else None
    except NotMeasured:
        return None
