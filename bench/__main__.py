"""`make bench`: the speed claims, measured again, in one run; exit status 1 when one of them does not hold.

`python -m bench` does everything; `lab` or `fleet` as an argument, that half alone.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench import bill, certificates, dns, fleet, ways
from bench.bounds import Bound
from bench.fleet import Simulated
from bench.ways import WINDOW, Asking, Way
from lab import LabHost
from lab.requirements import available

CHECKS = "memory or reachable"
FLEET = 1000
EACH = 80


def main(parts: Sequence[str]) -> int:
    """Measure, print, and say which bounds were missed."""
    if reason := available():
        print(f"no bench: {reason}", file=sys.stderr)
        return 1
    machine = f"{os.cpu_count()} CPUs, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine}; load before: {os.getloadavg()[0]:.1f}\n")
    bounds: list[Bound] = []
    with tempfile.TemporaryDirectory(prefix="shipworthy-bench-") as directory:
        home = Path(directory)
        answer = _lab(home, bounds, whole="fleet" not in parts)
        if "lab" not in parts:
            _fleet(home, answer, bounds)
    print("\nrequired")
    for bound in bounds:
        print(f"  {bound}")
    print(f"\nload after: {os.getloadavg()[0]:.1f}")
    return 0 if all(bounds) else 1


def _lab(home: Path, bounds: list[Bound], *, whole: bool) -> bytes:
    """Ten hosts, or one, with real sshds; what one of them answered."""
    with ways.fleet(10) as made:
        ten, one = Asking(made, made.hosts, home), Asking(made, made.hosts[:1], home)
        ten.shipworthy(1, "-m", CHECKS)  # compiles modules, as the first run of a user does
        if whole:
            # One host first: an engineer at a terminal does not come after minutes of load.
            bounds += _ways_on_one(one) + _ways_on_ten(ten)
            bounds += _bills(one, made.hosts[0], home / "reports")
            bounds.append(_names(dns.asked(made, made.hosts[0], home)))
            bounds.append(_certificates(certificates.judged(home)))
        return fleet.recorded_answer(home / "reports" / "latest", made.hosts[0])


def _ways_on_ten(ask: Asking) -> list[Bound]:
    bare, bare_within = ask.bare(7)
    ours = ask.shipworthy(7, "-m", CHECKS)
    same = ask.ordinary("test_same_reads.py")
    plain = ask.ordinary("test_memory.py")
    table = [
        ours,
        bare,
        same,
        *(ask.ordinary("test_same_reads.py", workers=workers) for workers in (2, 4)),
        plain,
        ask.ordinary("test_memory.py", workers=4),
        ask.ansible(),
    ]
    print("ten hosts, six checks of memory and reachability        seconds   logins  commands  × Shipworthy")
    for way in table:
        print(_line(way, ours))
    print(f"  (bare logins without the start of Python: {bare_within:.2f} s; seconds are medians of several runs)")
    return [
        Bound("ten hosts: testinfra, sequential, same reads / Shipworthy", same.seconds / ours.seconds, at_least=20),
        Bound("ten hosts: Shipworthy / (bare logins + window)", ours.seconds / (bare.seconds + WINDOW), at_most=2),
        Bound("ten hosts: logins, one a host", ours.logins, at_most=10),
        Bound("ten hosts: commands, one a host", ours.commands, at_most=10),
    ]


def _ways_on_one(ask: Asking) -> list[Bound]:
    ssh, ours = ask.ssh(7), ask.shipworthy(7, "-m", "memory")
    print(f"\none host: ssh host true {ssh.seconds:.2f} s; pytest -m memory {ours.seconds:.2f} s, its window included")
    return [Bound("one host: pytest -m memory, beyond ssh host true, seconds", ours.seconds - ssh.seconds, at_most=1.5)]


def _bills(ask: Asking, host: LabHost, reports: Path) -> list[Bound]:
    idle = bill.bill(ask, host, reports)
    with bill.loaded(host):
        busy = bill.bill(ask, host, reports)
    print("\na host's bill for all there is to ask          CPU ms   peak MiB")
    for name, cost in (("idle", idle), (f"{bill.PROCESSES:,} processes, {bill.SOCKETS:,} sockets", busy)):
        print(f"  {name:<42} {cost.cpu_seconds * 1000:8.0f} {cost.max_rss_bytes / 2**20:10.0f}")
    return [
        Bound("an idle host's bill: CPU seconds", idle.cpu_seconds, at_most=0.15),
        Bound("a busy host's bill: CPU seconds", busy.cpu_seconds, at_most=0.5),
        Bound("a busy host's bill: peak MB", busy.max_rss_bytes / 1e6, at_most=40),
    ]


def _names(told: dns.Asked) -> Bound:
    what = f"{dns.NAMES} names × {len(dns.SERVERS)} name servers × 2 families, one host"
    print(f"\n{what}: {told.questions} questions in one command of {told.command_seconds:.2f} s, ", end="")
    print(f"its start included; {told.cpu_seconds:.2f} s of CPU")
    return Bound(f"{what}: seconds", told.command_seconds, at_most=3)


def _certificates(told: certificates.Judged) -> Bound:
    what = f"{certificates.ENDPOINTS} endpoints met and judged, one process"
    print(f"\n{what}: {told.handshakes} handshakes in {told.met_seconds:.1f} s, all in {told.seconds:.1f} s; ", end="")
    print(f"{told.cpu_seconds:.1f} s of CPU")
    return Bound(f"{what}: seconds", told.seconds, at_most=15)


def _line(way: Way, ours: Way) -> str:
    ratio = way.seconds / ours.seconds
    return f"  {way.name:<52} {way.seconds:8.2f} {way.logins:8} {way.commands:9} {ratio:13.1f}"


def _fleet(home: Path, answer: bytes, bounds: list[Bound]) -> None:
    env = dict(ways.environment(home))
    print("\nsimulated fleet                             checks   seconds  peak MiB  report.html KiB  junit.xml KiB")
    with fleet.fleet(home, env, answer) as simulated:
        _printed(simulated.run(FLEET))
        grown = [_printed(simulated.run(hosts, EACH)) for hosts in (FLEET // 4, FLEET // 2, FLEET)]
    quarter, _, full = grown
    bounds += [
        Bound(f"{full.checks:,} checks: seconds", full.seconds, at_most=120),
        Bound(f"{full.checks:,} checks: peak MB", full.peak_mib * 2**20 / 1e6, at_most=900),
        Bound("four times the checks: times the seconds", full.seconds / quarter.seconds, at_most=4.8),
    ]


def _printed(one: Simulated) -> Simulated:
    name = f"{one.hosts:,} hosts × {one.checks // one.hosts} checks"
    sizes = f"{one.html_kib:16.0f} {one.junit_kib:14.0f}"
    print(f"  {name:<40} {one.checks:8,} {one.seconds:9.1f} {one.peak_mib:9.0f} {sizes}", flush=True)
    return one


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
