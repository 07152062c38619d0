"""Saved states: what a machine is once it is switched on, up and at rest.

In: the image, and how many machines. Out: for each a folder of the cache with its disks and its memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from lab.errors import LabError
from lab.leftovers import lab_directory
from lab.machines import cache, qemu
from lab.machines.machine import Machine
from lab.machines.running import HERE, Place, on_all, running

BOOT_SECONDS = 120.0


def saved(image: Path, count: int) -> list[Path]:
    """The states of the first `count` places; those that are missing are made now."""
    recipe = [path.read_text() for path in (Path(__file__), HERE / "here.sh")]
    key = hashlib.sha256("\n".join([qemu.hardware(), *recipe]).encode()).hexdigest()[:16]
    states = [image / f"state-{key}-{place}" for place in range(1, count + 1)]
    cache.states(states, lambda fresh: _save(image, fresh))
    return states


def _save(image: Path, fresh: Mapping[Path, Path]) -> None:
    """Switch machines on, and save them once they are up and at rest."""
    with lab_directory() as directory:
        places = {}
        for path, folder in fresh.items():
            place = Place(int(path.name.rpartition("-")[2]), folder, None)
            places[f"place{place.number}"] = place
            (directory / f"place{place.number}").mkdir()
            for disk in qemu.DISKS:
                qemu.overlay(folder / f"{disk}.qcow2", image / f"{disk}.img", "raw")
        with running(image, directory, places) as lab:
            on_all(lab, _up)
            for name, place in places.items():
                qemu.Monitor(directory / name / "qmp").save(place.disks / "memory")


def _up(machine: Machine) -> None:
    machine.run(["true"], seconds=BOOT_SECONDS)
    state = machine.run(["systemctl", "is-system-running", "--wait"], check=False, seconds=BOOT_SECONDS).stdout.strip()
    if state != "running":
        failed = machine.run(["systemctl", "--failed", "--plain", "--no-legend"]).stdout
        raise LabError(f"{machine.name}: a machine that was switched on is {state}: {failed}")
    if machine.login("python3 -V", seconds=60).returncode:
        raise LabError(f"{machine.name}: nobody can log in")
    machine.run(["systemctl", "stop", "chrony"])
    machine.run(["sync"])
