"""Machines are hosts like others, with kernels of their own; nothing of them stays; what is kept is bounded."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lab import Lab, LabError, wait_until
from lab.machines import Machine, available, cache, image, machines, qemu, requirements
from selftest.labs.makers import killed
from selftest.labs.possible import require_machines

MAKER = """
import sys
from lab.machines import machines
with machines(1) as fleet:
    print(fleet.directory, fleet.here.init, *[host.init for host in fleet], flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module", autouse=True)
def _machines() -> None:
    require_machines()


@pytest.fixture(scope="module")
def fleet(_machines: None) -> Iterator[Lab]:
    with machines(2) as made:
        yield made


def test_root_logs_in_over_both_families(fleet: Lab) -> None:
    for host in fleet:
        for address in (host.address, host.address6):
            assert host.login("hostname; id -u", address=address).stdout == f"{host.name}\n0\n"


def test_the_ordinary_user_logs_in_and_becomes_root_by_sudo(fleet: Lab) -> None:
    assert fleet[0].login("id -un; sudo -n id -un", user="deploy").stdout == "deploy\nroot\n"


def test_each_has_a_kernel_of_its_own(fleet: Lab) -> None:
    one, two = fleet
    assert len({host.read("/proc/sys/kernel/random/boot_id") for host in fleet}) == 2
    assert len({host.read("/etc/machine-id") for host in fleet}) == 2
    assert len({host.read("/proc/sys/kernel/random/uuid") for host in fleet}) == 2
    here = Path("/proc/sys/kernel/shmmni").read_text()
    one.shell("echo 1234 >/proc/sys/kernel/shmmni")
    assert one.read("/proc/sys/kernel/shmmni") == "1234\n"
    assert two.read("/proc/sys/kernel/shmmni") != "1234\n"
    assert Path("/proc/sys/kernel/shmmni").read_text() == here


def test_they_find_each_other_by_name(fleet: Lab) -> None:
    one, two = fleet
    for family in ("-4", "-6"):
        assert one.run(["ping", family, "-c", "1", "-W", "5", two.name]).returncode == 0


def test_their_clocks_are_this_machines(fleet: Lab) -> None:
    for host in fleet:
        before = time.time()
        told = float(host.run(["date", "+%s.%N"]).stdout)
        assert before - 0.2 < told < time.time() + 0.2
        assert "Normal" in host.run(["chronyc", "-c", "tracking"]).stdout


def test_they_are_up_and_nothing_failed(fleet: Lab) -> None:
    for host in fleet:
        assert host.run(["systemctl", "is-system-running"]).stdout == "running\n"


def test_a_failing_command_says_so(fleet: Lab) -> None:
    with pytest.raises(LabError, match=r"^server: cat /nowhere: exit 1: .*No such file"):
        fleet[0].read("/nowhere")


def test_a_command_that_takes_too_long_is_ended(fleet: Lab) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        fleet[0].run(["sleep", "4711"], seconds=0.5)
    wait_until(lambda: "sleep 4711" not in fleet[0].processes().values(), within=10, what="sleep to end")


def test_what_runs_in_the_background_ends_with_its_block(fleet: Lab) -> None:
    host = fleet[0]
    with host.background(["sleep", "4712"]) as running:
        assert not running.ended
        assert "sleep 4712" in host.processes().values()
        running.signal(signal.SIGTERM)
        wait_until(lambda: running.ended, within=10, what="sleep to end")
    assert "sleep 4712" not in host.processes().values()


def test_odd_bytes_go_there_and_back(fleet: Lab) -> None:
    odd = "ä\udcff\n\\\0'\"" + "x" * 100_000
    fleet[0].write("/tmp/odd", odd)
    assert fleet[0].read("/tmp/odd") == odd


def test_two_labs_do_not_see_each_other(fleet: Lab) -> None:
    with machines(1) as other:
        assert other[0].address == fleet[0].address
        other[0].write("/srv/only-here", "yes")
        assert not fleet[0].exists("/srv/only-here")
        assert other[0].login("hostname").stdout == "server\n"


def test_a_lab_is_as_it_was_saved_whatever_was_done_to_the_one_before() -> None:
    with machines(1) as before:
        before[0].run(["sh", "-c", "rm -rf /usr/bin/python3 /etc/ssh; sync"])
    with machines(1) as after:
        assert after[0].login("python3 -V").returncode == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_a_lab_dies_with_its_maker(how: signal.Signals) -> None:
    def emulated(pids: Sequence[str]) -> None:
        assert qemu.PROGRAM in Path(f"/proc/{pids[1]}/cmdline").read_text()

    killed(MAKER, how, emulated)


def test_a_machine_that_ends_is_an_error_in_words(fleet: Lab) -> None:
    with machines(1) as other:
        machine = other[0]
        assert isinstance(machine, Machine)
        os.kill(machine.init, signal.SIGKILL)
        with pytest.raises(LabError, match="server: the machine has ended"):
            machine.run(["true"])


def test_more_than_there_are_places_for_are_refused() -> None:
    with pytest.raises(LabError, match="no lab of 9 machines: 8 are the most"), machines(names=list("abcdefghi")):
        pass


def fill(folder: Path) -> None:
    (folder / "root.img").write_text("an image")


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for key in ("first", "second", "third"):
        with cache.image(key, fill) as made:
            assert made == tmp_path / "shipworthy-lab" / key
    assert {path.name for path in cache.folder().iterdir()} == {"lock", "second", "third"}
    with cache.image("second", fill), cache.image("fourth", fill):
        with cache.image("fifth", fill):
            pass
        assert {path.name for path in cache.folder().iterdir()} == {"lock", "second", "fourth", "fifth"}
        assert cache.folder() / "second" not in cache.clean()
    cache.clean()
    assert not cache.folder().exists()


def test_a_builder_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        fill(folder)
        raise LabError("on purpose")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(LabError, match="on purpose"), cache.image("key", fail):
        pass
    with cache.image("key", fill) as made:
        assert (made / "root.img").read_text() == "an image"
    assert {path.name for path in cache.folder().iterdir()} == {"lock", "key"}


def test_an_image_that_cannot_be_made_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(image, "_sources", lambda: ("deb http://127.0.0.1:9/nowhere bookworm main",))
    with pytest.raises(LabError, match=r"^no image of a machine: mmdebstrap: E: .*127\.0\.0\.1"):
        image.build(tmp_path)


def test_here_machines_can_be_built() -> None:
    assert available() is None


def test_missing_commands_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "COMMANDS", ("ip", "no-such-command"))
    assert available() == "machines need no-such-command: see selftest/machines/packages.txt"


def test_want_of_memory_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  1024000 kB\nMemAvailable:  512000 kB\n")
    monkeypatch.setattr(requirements, "MEMINFO", tmp_path / "meminfo")
    assert available() == "machines need 1536 MiB of memory, and 500 are available"
