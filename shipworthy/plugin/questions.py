"""What a run cost name servers: a budget that is told.

In: snapshots, as they come. Out: a line for the run's notices: `dns: 96 questions to 3 name servers by 4 hosts`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shipworthy.errors import NotMeasured
from shipworthy.snapshot import Snapshot

SUBJECT = "dns"


@dataclass
class Questions:
    """Questions put to name servers so far."""

    count: int = 0
    servers: set[str] = field(default_factory=set)
    hosts: int = 0

    def add(self, snapshot: Snapshot) -> None:
        """Those of one host more."""
        if SUBJECT not in snapshot.asked["probes"]:
            return
        try:
            reading = snapshot.reading(SUBJECT)
        except NotMeasured:  # told by the checks
            return
        if reading.asked:
            self.count += reading.asked
            self.servers.update(server.address for server in reading.servers)
            self.hosts += 1

    def notices(self) -> list[str]:
        """Nothing where nothing was asked."""
        if not self.count:
            return []
        by = _plural(self.hosts, "host")
        return [f"dns: {_plural(self.count, 'question')} to {_plural(len(self.servers), 'name server')} by {by}"]


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
