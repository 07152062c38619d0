"""Building a lab of machines and taking it away: their network, the machines, and the directory that holds them.

In: how many machines, or their names. Out: a `Lab`, whose hosts answer SSH from within its network.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from lab.build import Lab, require_names
from lab.errors import LabError
from lab.leftovers import lab_directory
from lab.machines import cache, image, qemu
from lab.machines.machine import Machine
from lab.machines.running import Place, on_all, running
from lab.machines.states import BOOT_SECONDS, saved

MOST = 8
"""Each place has a saved state of its own."""
_NAMES = ("server", "one", "two", "three", "four", "five", "six", "seven")


@contextmanager
def machines(count: int | None = None, *, names: Sequence[str] | None = None) -> Iterator[Lab]:
    """Build a lab of so many machines, or of machines with these names; it is gone when the block ends.

    They were switched on when the image was made, and go on from there, with a clock that is right.
    """
    chosen = tuple(names) if names is not None else _NAMES[: 3 if count is None else count]
    require_names(chosen)
    if len(chosen) > MOST:
        raise LabError(f"no lab of {len(chosen)} machines: {MOST} are the most")
    with cache.image(image.key(), image.build) as made:
        states = saved(made, len(chosen))
        with lab_directory() as directory:
            places = {}
            for number, (name, state) in enumerate(zip(chosen, states, strict=True), 1):
                places[name] = Place(number, directory / name, state / "memory")
                (directory / name).mkdir()
                for disk in qemu.DISKS:
                    qemu.overlay(directory / name / f"{disk}.qcow2", state / f"{disk}.qcow2", "qcow2")
            with running(made, directory, places) as lab:
                on_all(lab, _restored(lab))
                yield lab


def _restored(lab: Lab) -> Callable[[Machine], None]:
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    lines += [f"{address} {host.name}" for host in lab for address in (host.address, host.address6)]
    hosts = "\n".join(lines) + "\n"

    def restored(machine: Machine) -> None:
        machine.run(["true"], seconds=BOOT_SECONDS)  # it may still be loading, and must not be told an old time
        seed = os.urandom(256).hex()
        machine.channel.ask("restored", within=60, name=machine.name, hosts=hosts, now=time.time_ns(), seed=seed)
        machine.run(["systemctl", "start", "chrony"])
        machine.run(["chronyc", "waitsync", "240", "0.1", "0", "0.25"], seconds=60)

    return restored
