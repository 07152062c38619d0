"""Clocks that are wrong, or that nobody keeps; told by real daemons, which leave the machine's clock as it is.

Hosts share the machine's clock. A daemon that is started with `-x` follows its sources and sets nothing; and a host
whose clock is wrong is one whose interpreter is given another time by libfaketime.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab.faults import NOTHING, confirm, fault
from lab.host import LabHost
from lab.waiting import wait_until

_PYTHON = "/usr/local/bin/python3-ahead"
_AHEAD = """\
#!/bin/sh
export LD_PRELOAD='/usr/$LIB/faketime/libfaketime.so.1' FAKETIME=+90s FAKETIME_DONT_FAKE_MONOTONIC=1
exec /usr/bin/python3 "$@"
"""
QUICK = "iburst minpoll -4 maxpoll -4"
"""Sixteen questions a second: eight that stay unanswered are through in half of one."""
_SURE_PPM = 50
"""What chronyd takes the error of the frequency for: after a few seconds of a bad guess it would be a second wrong."""
_SERVER = "port 11123\ncmdport 0\nbindcmdaddress /run/chrony-server.sock\npidfile /run/chrony-server.pid\n"


@fault(turns={"clock.offset": "failed", "clock.odd_one_out": "failed"})
def clock_ahead(host: LabHost) -> Iterator[dict[str, object]]:
    """The host's clock is a minute and a half ahead."""
    host.write(_PYTHON, _AHEAD, mode="755")
    try:
        told = float(host.run([_PYTHON, "-c", "import time; print(time.time())"]).stdout)
        confirm(told - float(host.run(["date", "+%s"]).stdout) > 80, host, "the clock is not ahead: is faketime there?")
        yield {"ansible_python_interpreter": _PYTHON}
    finally:
        host.run(["rm", _PYTHON])


@fault(turns={"clock.synchronised": "failed", "clock.sources": "failed"})
def no_source_of_time(host: LabHost) -> Iterator[None]:
    """chronyd runs, and its only server has never answered."""
    with chronyd(host, "server 192.0.2.123 iburst\n"):
        confirm("Not synchronised" in _tracking(host), host, _tracking(host))
        yield


@fault(turns={"clock.sources": "failed"})
def source_of_time_lost(host: LabHost) -> Iterator[None]:
    """chronyd was synchronised and still says so, but its server has fallen silent."""
    with chronyd(host, f"server 127.0.0.1 port 11123 {QUICK}\n"):
        with _own_server(host, stratum=3):
            follows(host)
        wait_until(lambda: _reach(host) == "0", within=20, what=f"{host.name}'s chronyd to hear nothing any more")
        confirm(_tracking(host).endswith(",Normal\n"), host, _tracking(host))
        yield


@fault(turns={"clock.accuracy": "warned"})
def far_from_a_reference_clock(host: LabHost) -> Iterator[None]:
    """chronyd follows a server that is twelve clocks away from any reference."""
    with _own_server(host, stratum=12), chronyd(host, f"server 127.0.0.1 port 11123 {QUICK}\n"):
        follows(host)
        yield


@fault(turns=NOTHING)
def well_kept(host: LabHost) -> Iterator[None]:
    """chronyd follows a server that is well: nothing turns, and it is judged."""
    with _own_server(host, stratum=3), chronyd(host, f"server 127.0.0.1 port 11123 {QUICK}\n"):
        follows(host)
        yield


@contextmanager
def chronyd(host: LabHost, configuration: str, name: str = "chrony") -> Iterator[None]:
    """A chronyd that sets no clock."""
    file = f"/run/{name}.conf"
    host.write(file, configuration)
    try:
        with host.background(["chronyd", "-x", "-n", "-u", "root", "-f", file]):
            wait_until(
                lambda: name != "chrony" or host.run(["chronyc", "-c", "tracking"], check=False).returncode == 0,
                within=10,
                what=f"{host.name}'s chronyd",
            )
            yield
    finally:
        host.run(["rm", "-rf", file, "/run/chrony"])


@contextmanager
def _own_server(host: LabHost, stratum: int) -> Iterator[None]:
    """Another chronyd, for this host alone, that serves its own clock as if it were that far from a reference."""
    with chronyd(host, f"{_SERVER}local stratum {stratum}\nallow 127.0.0.1\n", "chrony-server"):
        yield


def follows(host: LabHost) -> None:
    """Wait until chronyd follows its server, and knows the clock so well that it stays sure of it for a while."""

    def sure() -> bool:
        fields = _tracking(host).strip().split(",")
        return fields[-1] == "Normal" and float(fields[9]) < _SURE_PPM

    wait_until(sure, within=30, what=f"{host.name}'s chronyd to follow its server")


def _tracking(host: LabHost) -> str:
    return host.run(["chronyc", "-c", "tracking"]).stdout


def _reach(host: LabHost) -> str:
    """Of the only source: a bit for each of the last eight questions."""
    return host.run(["chronyc", "-c", "sources"]).stdout.split(",")[5]
