"""What the checks of services conclude of their systemd units: what `systemctl show` says → outcome and message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from selftest.running import UPTIME, Case, Files, process, told
from shipworthy.probes.parts.units import PROPERTIES

JOB = process(77, "job")
UNIT: dict[str, str] = {
    "Type": "notify",
    "Restart": "on-failure",
    "RestartUSec": "100ms",
    "NRestarts": "0",
    "StartLimitIntervalUSec": "10s",
    "StartLimitBurst": "5",
    "Result": "success",
    "ControlGroup": "/system.slice/job.service",
    "Id": "job.service",
    "LoadState": "loaded",
    "ActiveState": "active",
    "UnitFileState": "enabled",
    "NeedDaemonReload": "no",
    "InactiveExitTimestampMonotonic": "5000000",
    "ActiveEnterTimestampMonotonic": "7500000",
}
"""As `systemctl show` of systemd 252 tells it, in its own order."""


def unit(**properties: str | None) -> Files:
    """A host of systemd's, on which job[77] is in the unit's group."""
    said = {**UNIT, **properties}
    text = "".join(f"{name}={value}\n" for name, value in said.items() if value is not None)
    return {
        **JOB,
        "/proc/1/cgroup": "0::/init.scope\n",
        "/proc/800/cgroup": "0::/system.slice/ssh.service\n",
        "/proc/77/cgroup": "0::/system.slice/job.service\n",
        "/run/systemd/system/x": "",
        f"/commands/systemctl show -p {PROPERTIES} -- job.service": text,
    }


BY_UNIT = {"unit": "job.service"}
NO_SYSTEMD = Case("skipped", "this host was not booted by systemd", JOB, service=BY_UNIT)
NO_UNIT = Case("skipped", "policy names no unit of it", JOB, service={})


RESTARTED = "job: restarts {}, "

RESTARTS = {
    "no systemd": NO_SYSTEMD,
    "no unit": NO_UNIT,
    "none": Case("passed", "", unit(), service=BY_UNIT),
    "an old systemd": Case(
        "skipped", "this systemd counts no restarts (before version 235)", unit(NRestarts=None), service=BY_UNIT
    ),
    "some, long ago": Case("passed", "", unit(NRestarts="7"), service=BY_UNIT),
    "some, the last one today": Case(
        "warned", RESTARTED.format(7) + "warning above 0",
        unit(NRestarts="7", ActiveEnterTimestampMonotonic=f"{(UPTIME - 60) * 1e6:.0f}"), service=BY_UNIT,
    ),
    "none since the earlier run": Case("passed", "", unit(NRestarts="7"), service=BY_UNIT, before={"restarts job": 7}),
    "one since the earlier run": Case(
        "warned", RESTARTED.format(1) + "warning above 0 (limit 2)", unit(NRestarts="8"), service=BY_UNIT,
        before={"restarts job": 7},
    ),
    "three since the earlier run": Case(
        "failed", RESTARTED.format(3) + "limit 2", unit(NRestarts="10"), service=BY_UNIT, before={"restarts job": 7}
    ),
    "started by hand meanwhile": Case("passed", "", unit(NRestarts="0"), service=BY_UNIT, before={"restarts job": 7}),
}  # fmt: skip

COMES_BACK = {
    "no systemd": NO_SYSTEMD,
    "no unit": NO_UNIT,
    "it does": Case("passed", "", unit(), service=BY_UNIT),
    "another starts it": Case("passed", "", unit(UnitFileState="static"), service=BY_UNIT),
    "disabled": Case(
        "failed", "job: job.service does not start at boot: its file is disabled", unit(UnitFileState="disabled"),
        service=BY_UNIT,
    ),
    "until the next boot": Case(
        "failed", "job: job.service does not start at boot: its file is enabled-runtime",
        unit(UnitFileState="enabled-runtime"), service=BY_UNIT,
    ),
    "without a file": Case(
        "failed", "job: job.service does not start at boot: its file is not there", unit(UnitFileState=""),
        service=BY_UNIT,
    ),
    "which policy allows": Case(
        "passed", "", unit(UnitFileState="disabled", Restart="no"),
        service={**BY_UNIT, "at_boot": "false", "restarted": "false"},
    ),
    "not after a crash": Case(
        "failed", "job: job.service does not come back after a crash: Restart=no", unit(Restart="no"), service=BY_UNIT
    ),
    "only after success": Case(
        "failed", "job: job.service does not come back after a crash: Restart=on-success", unit(Restart="on-success"),
        service=BY_UNIT,
    ),
    "oneshot": Case("passed", "", unit(Type="oneshot", Restart="no"), service=BY_UNIT),
    "given up": Case(
        "failed", "job: job.service is given up after 5 starts within 10 s (StartLimitBurst, StartLimitIntervalSec)",
        unit(), service={**BY_UNIT, "keeps_trying": "true"},
    ),
    "too slow to be given up": Case(
        "passed", "", unit(RestartUSec="2s"), service={**BY_UNIT, "keeps_trying": "true"}
    ),
    "without a limit": Case(
        "passed", "", unit(StartLimitIntervalUSec="0"), service={**BY_UNIT, "keeps_trying": "true"}
    ),
}  # fmt: skip

FIVE: dict[str, Any] = {**BY_UNIT, "started_within": {"fail_above": "5 s"}}

START = {
    "no time": Case("skipped", "policy says no time for its start", unit(), service=BY_UNIT),
    "no systemd": Case("skipped", "this host was not booted by systemd", JOB, service=FIVE),
    "in time": Case("passed", "", unit(), service=FIVE),
    "too slow": Case(
        "failed", "job: start took 25 s, limit 5 s", unit(ActiveEnterTimestampMonotonic="30000000"), service=FIVE
    ),
    "still at it": Case(
        "failed", "job: start took 1 min, limit 5 s",
        unit(
            ActiveState="activating",
            InactiveExitTimestampMonotonic=f"{(UPTIME - 60) * 1e6:.0f}",
            ActiveEnterTimestampMonotonic="0",
        ),
        service=FIVE,
    ),
    "never": Case(
        "skipped", "job.service was not started",
        unit(InactiveExitTimestampMonotonic="0", ActiveEnterTimestampMonotonic="0", ActiveState="inactive"),
        service=FIVE,
    ),
}  # fmt: skip

TABLES = {
    "test_service_does_not_restart": RESTARTS,
    "test_service_comes_back": COMES_BACK,
    "test_service_started_in_time": START,
}


@pytest.mark.parametrize(("test", "name"), [(test, name) for test, table in TABLES.items() for name in table])
def test_what_is_concluded(test: str, name: str, tmp_path: Path) -> None:
    told(TABLES[test][name], test, tmp_path)
