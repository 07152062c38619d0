"""Services that fail and flap, under a systemd that booted the machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab.faults import confirm, fault
from lab.host import LabHost
from lab.waiting import wait_until

UNIT = "job.service"
_FILE = """[Unit]
Description=A job
StartLimitIntervalSec={interval}
StartLimitBurst=3

[Service]
Type=exec
ExecStart=/bin/sh -c '{script}'
Restart=on-failure
RestartSec=100ms

[Install]
WantedBy=multi-user.target
"""
_THREE_TIMES = "echo >>/run/job.starts; [ $(wc -l </run/job.starts) -le 3 ] && exit 1; exec sleep infinity"


@fault(turns={"processes.service_runs": "failed", "processes.service_restarts": "warned"})
def failed_unit(host: LabHost) -> Iterator[None]:
    """A service ends at once each time that it is started, until systemd gives it up."""
    with _unit(host, interval="1h", script="exit 1"):
        wait_until(lambda: _says(host, "ActiveState") == "failed", within=30, what=f"{host.name}: {UNIT} to fail")
        yield


@fault(turns={"processes.service_restarts": "warned"})
def flapping_unit(host: LabHost) -> Iterator[None]:
    """A service crashed three times in a row, and runs now."""
    with _unit(host, interval="0", script=_THREE_TIMES):
        wait_until(lambda: _says(host, "NRestarts") == "3", within=30, what=f"{host.name}: {UNIT} to flap")
        wait_until(lambda: _says(host, "ActiveState") == "active", within=30, what=f"{host.name}: {UNIT} to run")
        confirm(len(host.read("/run/job.starts").splitlines()) == 4, host, "four starts")
        yield


@contextmanager
def _unit(host: LabHost, interval: str, script: str) -> Iterator[None]:
    path = f"/etc/systemd/system/{UNIT}"
    host.write(path, _FILE.format(interval=interval, script=script))
    host.run(["systemctl", "daemon-reload"])
    host.run(["systemctl", "enable", "--quiet", UNIT])
    host.run(["systemctl", "start", "--no-block", UNIT])
    try:
        yield
    finally:
        host.run(["systemctl", "disable", "--quiet", "--now", UNIT])
        host.run(["rm", "-f", path, "/run/job.starts"])
        host.run(["systemctl", "daemon-reload"])
        host.run(["systemctl", "reset-failed"])


def _says(host: LabHost, property: str) -> str:
    return host.run(["systemctl", "show", "--value", "-p", property, UNIT]).stdout.strip()
