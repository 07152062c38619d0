"""Running machines: the network that they share, and QEMU for each.

In: the image, the lab's directory, and by name where a machine's disks lie. Out: a `Lab`, which ends with the block.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.build import ADDRESS, ADDRESS6, Lab
from lab.errors import LabError
from lab.here import Here
from lab.keeping import Keeper, children, kept
from lab.machines import qemu
from lab.machines.channel import Channel
from lab.machines.machine import Machine
from lab.waiting import wait_until

HERE = Path(__file__).parent
_CLOCK = """\
local stratum 3
allow 10.77.0.0/24
cmdport 0
bindcmdaddress /
pidfile {directory}/chronyd.pid
"""


@dataclass(frozen=True)
class Place:
    """Where in a lab a machine is: by its number, from 1, it has its addresses."""

    number: int
    disks: Path
    """Where they lie."""
    memory: Path | None
    """What it goes on from; it is switched on when there is none."""

    @property
    def addresses(self) -> tuple[str, str]:
        return f"10.77.0.{10 + self.number}", f"fd77::{10 + self.number:x}"


@contextmanager
def running(made: Path, directory: Path, places: Mapping[str, Place]) -> Iterator[Lab]:
    """While inside, the machines run: they may still be starting."""
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


def _plant(made: Path, directory: Path, places: Mapping[str, Place]) -> None:
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


def _process(keeper: Keeper, place: Place) -> int:
    """The machine's QEMU."""
    for pid in children(keeper.init):
        if f"lab.place={place.number}\0" in Path(f"/proc/{pid}/cmdline").read_text().replace(" ", "\0"):
            return pid
    raise LabError(f"the machine of place {place.number} has ended: {keeper.told}")


def on_all(lab: Lab, what: Callable[[Machine], None]) -> None:
    """Do it on all machines at the same time."""
    with ThreadPoolExecutor(len(lab)) as pool:
        for done in [pool.submit(what, host) for host in lab if isinstance(host, Machine)]:
            done.result()
