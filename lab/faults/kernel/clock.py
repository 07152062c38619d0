"""A clock that is wrong, and kept by nobody, on a machine that has one of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator

from lab.faults import confirm, fault
from lab.host import LabHost

_SECONDS = 3


@fault(turns={"clock.offset": "failed", "clock.odd_one_out": "failed", "clock.synchronised": "failed"})
def clock_wrong(host: LabHost) -> Iterator[None]:
    """chronyd was stopped, and the clock is three seconds ahead."""
    host.run(["systemctl", "stop", "chrony"])
    host.shell(f"date -s '+{_SECONDS} seconds'")
    try:
        told = float(host.run(["date", "+%s.%N"]).stdout)
        confirm(told > time.time() + _SECONDS - 1, host, f"the clock says {told}")
        yield
    finally:
        host.run(["systemctl", "start", "chrony"])
        host.run(["chronyc", "waitsync", "240", "0.1", "0", "0.25"], seconds=60)
