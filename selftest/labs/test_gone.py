"""Nothing of a lab stays: not after the block, not after an exception, not after its maker was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab import lab, wait_until
from lab.alone import alone
from lab.cgroups import hierarchies
from lab.leftovers import clean
from selftest.labs.makers import killed

MAKER = """
import sys
from lab import lab
with lab(hosts=2) as fleet:
    print(fleet.directory, fleet.here.init, *[host.init for host in fleet], flush=True)
    sys.stdin.read()
"""


def test_a_lab_is_gone_after_its_block() -> None:
    with lab(hosts=1) as fleet:
        host = fleet[0]
        assert fleet.directory.exists()
    assert not fleet.directory.exists()
    assert not Path(f"/proc/{host.init}").exists()


def test_a_lab_is_gone_after_an_exception() -> None:
    with pytest.raises(RuntimeError, match="on purpose"), lab(hosts=1) as fleet:
        raise RuntimeError("on purpose")
    assert not fleet.directory.exists()
    assert not Path(f"/proc/{fleet.here.init}").exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_a_lab_dies_with_its_maker(how: signal.Signals) -> None:
    directory = killed(MAKER, how)
    assert not [group for each in hierarchies() for group in each.mount.glob(directory.name)]


def test_the_directory_of_a_living_lab_is_left_alone() -> None:
    with lab(hosts=1) as fleet:
        assert fleet.directory not in clean()
        assert fleet.directory.exists()


def test_nothing_of_a_lab_has_a_name_on_this_machine() -> None:
    def names() -> list[str]:
        links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
        mounts = [line.split(" - ")[0].split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        namespaces = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
        return [*(line.split(": ")[1] for line in links.splitlines()), *mounts, *namespaces.split()]

    before = names()
    with lab(hosts=2):
        assert names() == before


SWAPPER = """
import sys
from lab import lab
from lab.swapfile import swapfile
with lab(hosts=1) as fleet, swapfile(fleet.directory.name, 8) as path:
    print(fleet.directory, path, flush=True)
    sys.stdin.read()
"""


def test_the_swap_file_of_a_killed_lab_is_switched_off() -> None:
    with (
        alone(),
        subprocess.Popen(
            [sys.executable, "-c", SWAPPER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        ) as maker,
    ):
        assert maker.stdout is not None
        told = maker.stdout.readline().split()
        if not told:
            _, errors = maker.communicate()
            pytest.skip(errors.strip().splitlines()[-1])
        assert told[1] in Path("/proc/swaps").read_text()
        maker.kill()
    wait_until(lambda: Path(told[0]) in clean() or not Path(told[0]).exists(), within=5, what="the lab to be cleaned")
    assert told[1] not in Path("/proc/swaps").read_text()
    assert not Path(told[1]).exists()
