"""What a run cost name servers: a budget that is told.

In: snapshots, as they come. Out: a line for the run's notices: `dns: 96 questions to 3 name servers by 4 hosts and
from here`.
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
    from_here: bool = False

    def add(self, snapshot: Snapshot, *, from_here: bool = False) -> None:
        """Those of one host more, or of this machine."""
        if SUBJECT not in snapshot.asked["probes"]:
            return
        try:
            reading = snapshot.reading(SUBJECT)
        except NotMeasured:  # told by the checks
            return
        if reading.asked:
            self.count += reading.asked
            self.servers.update(server.address for server in reading.servers)
            self.hosts += not from_here
            self.from_here |= from_here

    def notices(self) -> list[str]:
        """Nothing where nothing was asked."""
        if not self.count:
            return []
        by = [f"by {_plural(self.hosts, 'host')}"] if self.hosts else []
        who = " and ".join([*by, *(["from here"] if self.from_here else [])])
        return [f"dns: {_plural(self.count, 'question')} to {_plural(len(self.servers), 'name server')} {who}"]


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
