"""Two hundred names, three name servers, two families: what the single command takes for them on one host.

In: a lab host, on whose loopback a real knot answers on three addresses. Out: `Asked`. `python -m bench.dns INVENTORY`
is the half that asks: one login and one command, as a run has them, and prints what `asked` reads.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measured import measured
from bench.ways import ROOT, environment
from lab import Lab, LabHost, wait_until, write_inventory

NAMES = 200
SERVERS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
_TIMES = 5
_CONF = f"""\
server:
  rundir: /run/knot
  listen: [{", ".join(f"{address}@53" for address in SERVERS)}]
database:
  storage: /run/knot
zone:
- domain: example.test
  storage: /run/knot
  file: zone
  zonefile-sync: -1
  journal-content: none
"""


@dataclass(frozen=True)
class Asked:
    """What one command took; medians of several."""

    command_seconds: float
    """From the request to its answer, the transfer of the probe's code and the start of Python behind it."""
    cpu_seconds: float
    """The host's, the interpreter's start included."""
    questions: int


def names() -> list[str]:
    return [f"www{number}.example.test" for number in range(NAMES)]


def asked(made: Lab, host: LabHost, home: Path) -> Asked:
    """Ask `host` of all names, several times."""
    command = [sys.executable, "-m", "bench.dns", str(write_inventory(made, home)), host.name]
    with served(host):
        told = [json.loads(_ask(made, command, home)) for _ in range(_TIMES)]
    return Asked(*(statistics.median(column) for column in zip(*told, strict=True)))


def _ask(made: Lab, command: list[str], home: Path) -> str:
    return measured(made.here.command(command), cwd=ROOT, env=environment(home), seconds=60).output


@contextmanager
def served(host: LabHost) -> Iterator[None]:
    """While inside, the names are there, and the host's resolv.conf names the servers."""
    zone = ["$ORIGIN example.test.", "$TTL 300", "@ SOA ns root 1 14400 3600 604800 300", "@ NS ns", "ns A 127.0.0.1"]
    zone += [f"{name}. A 192.0.2.1\n{name}. AAAA 2001:db8::1" for name in names()]
    before = host.read("/etc/resolv.conf")
    host.write("/run/knot/zone", "\n".join(zone) + "\n")
    host.write("/run/knot/knot.conf", _CONF)
    host.write("/etc/resolv.conf", "".join(f"nameserver {address}\n" for address in SERVERS))
    try:
        with host.background(["knotd", "-c", "/run/knot/knot.conf"]):
            wait_until(lambda: all(_answers(host, one) for one in SERVERS), within=20, what="three name servers")
            yield
    finally:
        host.write("/etc/resolv.conf", before)


def _answers(host: LabHost, address: str) -> bool:
    command = ["kdig", "+short", "+timeout=1", "+retry=0", f"@{address}", names()[-1], "AAAA"]
    return host.run(command, check=False).stdout.strip() == "2001:db8::1"


def _measure(inventory: str, name: str) -> list[float]:
    """Ask the host called `name`, and see that everything was answered."""
    from shipworthy import inventory as inventories
    from shipworthy import snapshot
    from shipworthy.collect import Request, measure
    from shipworthy.dns_messages import query
    from shipworthy.links import Deadlines
    from shipworthy.probes import dns

    (host,) = inventories.load([inventory], name, rootdir=ROOT).hosts
    questions = [dns.Question(each, kind, query(each, kind).hex()) for each in names() for kind in ("A", "AAAA")]
    found = snapshot.from_bytes(measure(host, Request({"dns": dns.Request(names(), questions)}), Deadlines()))
    if found.answer is None:
        raise RuntimeError(f"{name} answered nothing: {found.login.failed}")
    reading: dns.Dns = found.reading("dns")
    bad = [said.error or "never warm" for one in reading.servers for said in one.udp if said.warm_seconds is None]
    bad += [said.error for one in reading.servers for said in one.tcp if said.error]
    bad += [each.error for both in reading.libc.values() for each in both.values() if each.error]
    if bad or [len(one.udp) for one in reading.servers] != [len(questions)] * len(SERVERS):
        raise RuntimeError(f"{len(bad)} questions were not answered: {sorted(set(bad))}")
    return [found.login.rungs["command"], found.answer.cost.cpu_seconds, reading.asked]


if __name__ == "__main__":
    print(json.dumps(_measure(*sys.argv[1:])))
