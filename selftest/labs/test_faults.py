"""Every fault says what it turns, is there while it is, and leaves its host as it was."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

import lab.faults
from lab import Lab, LabHost
from lab.faults.disks import place_to_fill
from lab.faults.places import old_python
from shipworthy.checks import catalogue

CHECKS = catalogue([lab.faults.TESTS])


WITHIN: dict[str, Callable[[LabHost], AbstractContextManager[object]]] = {"disks.filling": place_to_fill}
"""What a fault needs that is to be there between two runs of the suite."""


def faults() -> Iterator[tuple[str, Any]]:
    for module in pkgutil.iter_modules(lab.faults.__path__, "lab.faults."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if getattr(value, "__module__", "") == module.name and hasattr(value, "turns"):
                yield f"{module.name.rpartition('.')[2]}.{name}", value


FAULTS = dict(faults())
OF_NAMES = ("dns.", "certificate_names.")
OF_PROGRAMS = "--ignore=xtables.lock --ignore=chrony-server.pid --ignore=dmsetup --ignore=sudo"
"""What programs make in /run for themselves, and leave there."""


def of_one_host() -> list[str]:
    """Those of names need an estate: see test_names.py."""
    return [name for name in FAULTS if not name.startswith(("machine.", *OF_NAMES))]


def state(host: LabHost) -> dict[str, object]:
    """What a fault might leave behind."""
    look: dict[str, Callable[[], object]] = {
        "mounts": lambda: sorted(line.split(" ", 3)[3] for line in host.read("/proc/1/mountinfo").splitlines()),
        "files": lambda: host.shell(
            "cat /etc/passwd /etc/sudoers; cat /etc/ssh/* /root/.ssh/* 2>&1; ls /usr/*bin /srv /tmp /etc/ssl; "
            f"ls {OF_PROGRAMS} /run"
        ),
        "prepared": lambda: host.shell("cd /run/prepared && find . -type f | sort | xargs cat"),
        "resolving": lambda: host.read("/etc/resolv.conf") + host.read("/etc/hosts"),
        "rules": lambda: host.shell("iptables-legacy -S; ip6tables-legacy -S"),
        "routes": lambda: host.shell("ip -4 route; ip -6 route; ip -br address"),
        "processes": lambda: sorted(name for name in host.processes().values() if not name.startswith("ps ")),
        "login": lambda: host.login("python3 -V", address=host.address6).stdout,
    }
    return {name: called() for name, called in look.items()}


@pytest.mark.parametrize("name", of_one_host())
def test_a_fault_is_there_and_then_gone(fleet: Lab, name: str) -> None:
    db, web = fleet
    if name == "places.only_python_36" and old_python() is None:
        pytest.skip("this machine has no Python 3.6 in ~/.pyenv/versions")
    before = state(db), state(web)
    fault: Callable[[LabHost], Any] = FAULTS[name]
    with WITHIN.get(name, nullcontext)(db), fault(db) as injected:
        assert {turn.host for turn in injected.turns} <= {"db", ""}
        assert web.login("true").returncode == 0
    assert state(web) == before[1]
    for what, value in state(db).items():
        assert value == before[0][what], what


def test_every_check_has_a_fault_that_turns_it() -> None:
    turned = {
        check for fault in FAULTS.values() for check in fault.turns() if fault.turns is not lab.faults.unreachable
    }
    assert set(CHECKS) - turned <= {"reachable.login"}


def test_no_fault_turns_a_check_that_does_not_exist() -> None:
    assert {check for fault in FAULTS.values() for check in fault.turns()} <= set(CHECKS)
