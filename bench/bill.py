"""What a host pays for being asked: CPU seconds and memory, as its snapshot tells them, idle and busy.

In: a lab host, and everything that there is to ask. Out: the `Cost` of its last snapshot.
Busy is 1,000 processes and 50,000 TCP sockets, half of them outgoing, all of them real.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import fleet
from bench.ways import Asking
from lab import LabHost, wait_until
from shipworthy.snapshot import Cost

PROCESSES = 1000
SOCKETS = 50_000
_WORKERS = 25
_LOAD = f"""
import os, resource, socket
read, write = os.pipe()
def child():
    if os.fork() == 0:
        os.close(write)
        return True
def live():
    os.read(read, 1)  # until the first of them ends, and the pipe with it
    os._exit(0)
each = {SOCKETS} // {_WORKERS} // 2
for _ in range({PROCESSES} - {_WORKERS} - 1):
    if child():
        live()
for worker in range({_WORKERS}):
    if child():
        resource.setrlimit(resource.RLIMIT_NOFILE, (4 * each,) * 2)
        listener = socket.socket()
        listener.bind(("127.0.0.1", 20000 + worker))
        listener.listen(8)
        held = []
        for _ in range(each):
            there = socket.socket()
            there.bind(("127.0.1.%d" % (worker + 1), 0))
            there.connect(("127.0.0.1", 20000 + worker))
            held += [there, listener.accept()[0]]
        live()
live()
"""


def bill(ask: Asking, host: LabHost, reports: Path) -> Cost:
    """Ask `host` everything once, and read what that cost it."""
    ask.shipworthy(1)
    return fleet.bill(reports / "latest", host)


@contextmanager
def loaded(host: LabHost) -> Iterator[None]:
    """While inside, the host is busy."""
    before = len(host.processes())
    with host.background(["python3", "-I", "-S", "-c", _LOAD]):
        wait_until(lambda: _sockets(host) >= SOCKETS, within=120, what=f"{SOCKETS} sockets on {host.name}")
        wait_until(lambda: len(host.processes()) >= before + PROCESSES, within=60, what=f"{PROCESSES} processes")
        yield
    wait_until(lambda: len(host.processes()) <= before, within=60, what=f"{host.name} to be idle again")


def _sockets(host: LabHost) -> int:
    return int(host.shell("wc -l </proc/net/tcp"))
