"""Building a lab of machines and taking it away: their network, the machines, and the directory that holds them.

In: how many machines, or their names. Out: a `Lab`, whose hosts answer SSH from within its network.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from lab.build import ADDRESS, ADDRESS6, Lab, require_names
from lab.errors import LabError
from lab.here import Here
from lab.keeping import Keeper, children, kept
from lab.leftovers import lab_directory
from lab.machines import cache, image, qemu
from lab.machines.channel import Channel
from lab.machines.machine import Machine
from lab.waiting import wait_until

HERE = Path(__file__).parent
_NAMES = ("server", "one", "two", "three", "four", "five", "six", "seven", "eight")
_BOOT_SECONDS = 120.0
_CLOCK = """\
local stratum 3
allow 10.77.0.0/24
cmdport 0
bindcmdaddress /
pidfile {directory}/chronyd.pid
"""


@contextmanager
def machines(count: int | None = None, *, names: Sequence[str] | None = None) -> Iterator[Lab]:
    """Build a lab of so many machines, or of machines with these names; it is gone when the block ends, however it ends.

    They were switched on when the image was made, and go on from there, with a clock that is right.
    """
    chosen = tuple(names) if names is not None else _NAMES[: 3 if count is None else count]
    require_names(chosen)
    with cache.image(image.key(), image.build) as made:
        saved = [_saved(made, place) for place in range(1, len(chosen) + 1)]
        cache.states(saved, lambda fresh: _save(made, fresh))
        with lab_directory() as directory:
            for name, state in zip(chosen, saved, strict=True):
                (directory / name).mkdir()
                for disk in qemu.DISKS:
                    qemu.overlay(directory / name / f"{disk}.qcow2", state / f"{disk}.qcow2", "qcow2")
            places = {name: _Place(n, directory / name, saved[n - 1] / "memory") for n, name in enumerate(chosen, 1)}
            with _running(made, directory, places) as lab:
                _all(lab, _restored(lab))
                yield lab


def _saved(made: Path, place: int) -> Path:
    recipe = qemu.hardware() + Path(__file__).read_text()
    return made / f"state-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}-{place}"


class _Place:
    """A machine's number, where its disks are, and its memory, if it was saved."""

    def __init__(self, number: int, disks: Path, memory: Path | None) -> None:
        self.number, self.disks, self.memory = number, disks, memory
        self.addresses = f"10.77.0.{10 + number}", f"fd77::{10 + number:x}"


def _save(made: Path, fresh: Mapping[Path, Path]) -> None:
    """Switch machines on, and save them once they are up and at rest."""
    with lab_directory() as directory:
        places = {}
        for path, folder in fresh.items():
            place = _Place(int(path.name.rpartition("-")[2]), folder, None)
            places[f"place{place.number}"] = place
            (directory / f"place{place.number}").mkdir()
            for disk in qemu.DISKS:
                qemu.overlay(folder / f"{disk}.qcow2", made / f"{disk}.img", "raw")
        with _running(made, directory, places) as lab:
            _all(lab, _up)
            for name, place in places.items():
                qemu.Monitor(directory / name / "qmp").save(place.disks / "memory")


def _up(machine: Machine) -> None:
    machine.run(["true"], seconds=_BOOT_SECONDS)
    state = machine.run(["systemctl", "is-system-running", "--wait"], check=False, seconds=_BOOT_SECONDS).stdout.strip()
    if state != "running":
        failed = machine.run(["systemctl", "--failed", "--plain", "--no-legend"]).stdout
        raise LabError(f"{machine.name}: a machine that was switched on is {state}: {failed}")
    if machine.login("python3 -V", seconds=60).returncode:
        raise LabError(f"{machine.name}: nobody can log in")
    machine.run(["systemctl", "stop", "chrony"])
    machine.run(["sync"])


def _restored(lab: Lab) -> Callable[[Machine], None]:
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    lines += [f"{address} {host.name}" for host in lab for address in (host.address, host.address6)]
    hosts = "\n".join(lines) + "\n"

    def restored(machine: Machine) -> None:
        seed = os.urandom(256).hex()
        machine.channel.ask("restored", within=60, name=machine.name, hosts=hosts, now=time.time_ns(), seed=seed)
        machine.run(["systemctl", "start", "chrony"])

    return restored


def _all(lab: Lab, what: Callable[[Machine], None]) -> None:
    """Do it on all machines at the same time."""
    with ThreadPoolExecutor(len(lab)) as pool:
        for done in [pool.submit(what, host) for host in lab if isinstance(host, Machine)]:
            done.result()


@contextmanager
def _running(made: Path, directory: Path, places: Mapping[str, _Place]) -> Iterator[Lab]:
    _plant(made, directory, places)
    with kept(HERE / "here.sh", directory, ADDRESS, ADDRESS6) as keeper, ExitStack() as channels:
        here = Here(wait_until(lambda: keeper.init, within=20, what="the lab's network"))
        hosts = []
        for name, place in places.items():
            try:
                channel = channels.enter_context(closing(Channel(name, directory / name / "agent")))
            except LabError as error:
                raise LabError(f"{error}: {keeper.told}; {(directory / name / 'said').read_text()}") from error
            process = _process(keeper, place)
            hosts.append(Machine(name, *place.addresses, process, directory, here, channel=channel))
        yield Lab(directory, tuple(hosts), here)


def _plant(made: Path, directory: Path, places: Mapping[str, _Place]) -> None:
    shutil.copy(made / "key", directory / "key")
    public = (made / "host_key.pub").read_text()
    known = [f"{address} {public}" for place in places.values() for address in place.addresses]
    (directory / "known_hosts").write_text("".join(known))
    (directory / "chrony.conf").write_text(_CLOCK.format(directory=directory))
    for name, place in places.items():
        command = qemu.command(made, place.number, directory / name, place.disks, place.memory)
        (directory / name / "start").write_text(f"exec {shlex.join(command)}\n")
    lines = (f"{place.number} {directory / name}\n" for name, place in places.items())
    (directory / "machines").write_text("".join(lines))


def _process(keeper: Keeper, place: _Place) -> int:
    """The machine's QEMU."""
    for pid in children(keeper.init):
        if f"lab.place={place.number}\0" in Path(f"/proc/{pid}/cmdline").read_text().replace(" ", "\0"):
            return pid
    raise LabError(f"the machine of place {place.number} has ended: {keeper.told}")
