"""What the disks probe asks of the runtime and of the machine, by what it is asked itself; and its parsers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selftest import judged
from selftest.disks import MOUNTINFO, WELL, disk, mount, mounts, room
from shipworthy.probes.disks import Disks, Request, probe
from shipworthy.probes.parts.blocks import hexadecimal, parse_diskstats
from shipworthy.probes.parts.mapper import parse_queueing, parse_thin_pools
from shipworthy.probes.parts.mounts import parse_fstab, parse_mountinfo
from shipworthy.probes.parts.nfs import parse_mountstats
from shipworthy.probes.runtime.child import Abandoned
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine

NOTHING = Request(
    space=False, thin=False, devices=False, nfs=False, san=False, read_only=False, corruption=False, deleted=False
)
CASES = Path(__file__).parents[1] / "cases" / "disks"


class Noted(Machine):
    """A recorded machine that notes what is read."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.paths: list[str] = []

    def read_bytes(self, path: str, at_most: int = 2**20) -> bytes:
        self.paths.append(path)
        return super().read_bytes(path, at_most)


def run(tree: Path, then: Path, request: Request) -> tuple[Disks, int, list[str]]:
    """(reading, how often it yielded, what it read)."""
    machine, yields = Noted(tree), 0
    steps = probe(machine, request)
    try:
        next(steps)
        while True:
            yields += 1
            machine.root = str(then)
            steps.send(1.0)
    except StopIteration as end:
        return end.value, yields, machine.paths


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    """A host that is well, with these files as well."""

    def make(name: str, **files: Any) -> Path:
        return judged.write(tmp_path / name, {**WELL, **files.get("files", {})})

    return make


def test_asked_for_nothing_it_reads_the_mounts_alone(tree: Callable[..., Path]) -> None:
    reading, yields, paths = run(tree("a"), tree("b"), NOTHING)
    assert yields == 0
    assert paths == [MOUNTINFO]
    assert {name for name, reason in reading.unseen.items() if reason == "not asked"} == {
        "file_systems", "thin", "read_only", "devices", "corruption", "deleted", "calls", "san",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("doubt", "moved", "yields"),
    [
        ({}, {}, 1),
        ({}, {"reads": 100, "ms": 20_000}, 1),
        ({"doubt_wait_seconds": 0.1}, {"reads": 100, "ms": 20_000}, 2),
        ({"doubt_wait_seconds": 0.1}, {"reads": 49, "ms": 20_000}, 1),
        ({"doubt_operations_per_second": {"vda": 50.0}}, {"reads": 100}, 2),
        ({"doubt_operations_per_second": {"sda": 50.0}}, {"reads": 100}, 1),
        ({"doubt_bytes_per_second": {"vda": 1000.0}}, {"reads": 1, "sectors": 80}, 2),
    ],
)
def test_the_long_window_is_for_what_is_in_doubt(
    tree: Callable[..., Path], doubt: dict[str, Any], moved: dict[str, int], yields: int
) -> None:
    then = tree("b", files={"/proc/diskstats": disk(**moved)})  # type: ignore[arg-type]
    assert run(tree("a"), then, NOTHING._replace(devices=True, **doubt))[1] == yields


def test_what_may_be_stuck_is_given_the_long_window(tree: Callable[..., Path]) -> None:
    stuck = {"/proc/diskstats": disk(in_flight=2)}
    assert run(tree("a", files=stuck), tree("b", files=stuck), NOTHING._replace(devices=True))[1] == 2


def test_of_very_many_file_systems_the_worst_are_told(tree: Callable[..., Path]) -> None:
    lines = [mount(f"/m{n}", device=f"0:{100 + n}", id=100 + n) for n in range(50)]
    rooms = {path: text for n in range(50) for path, text in room(f"/m{n}", 10, 99 - n, inodes=0).items()}
    reading, _, _ = run(
        tree("a", files={**mounts(*lines), **rooms}), tree("b"), NOTHING._replace(space=True, at_most=10)
    )
    assert reading.file_systems is not None
    # Of both the root and /m49 half is left; the others have one by one a little more.
    assert [one.mounted.path for one in reading.file_systems.told] == ["/", *(f"/m{n}" for n in range(49, 40, -1))]
    assert reading.file_systems.left_out == 41


def test_a_recorded_call_that_is_not_there_or_never_came_back(tree: Callable[..., Path]) -> None:
    machine = Machine(str(tree("a", files={"/statvfs/%2Fdead": "no answer within 5 s\n"})))
    assert machine.statvfs("/").frsize == 4096
    with pytest.raises(NotSeen, match="the recorded tree does not tell what statvfs says of /x"):
        machine.statvfs("/x")
    with pytest.raises(NotSeen, match="the recorded tree does not tell what stat says of /x"):
        machine.stat("/x")
    with pytest.raises(Abandoned, match="no answer within 5 s"):
        machine.statvfs("/dead")


def test_this_machine_says_what_the_system_calls_say(tmp_path: Path) -> None:
    said, own = Machine().statvfs(str(tmp_path)), os.statvfs(tmp_path)
    assert (said.frsize, said.blocks, said.files) == (own.f_frsize, own.f_blocks, own.f_files)
    node, info = Machine().stat(str(tmp_path)), tmp_path.stat()
    assert (os.makedev(node.major, node.minor), node.inode, node.nlink) == (info.st_dev, info.st_ino, info.st_nlink)
    with pytest.raises(FileNotFoundError):
        Machine().stat(str(tmp_path / "gone"))


def test_a_deleted_file_of_this_machine_is_found_by_its_blocks(tmp_path: Path) -> None:
    size = 3 * 2**20
    with (tmp_path / "log").open("wb") as file, (tmp_path / "hole").open("wb") as hole:
        os.posix_fallocate(file.fileno(), 0, size)
        hole.truncate(2**30)
        for name in ("log", "hole"):
            (tmp_path / name).unlink()
        reading = probe_all(NOTHING._replace(deleted=True))
    held = [one for on in reading.deleted.on for one in on.largest if one.pid == os.getpid()] if reading.deleted else []
    mine = [one for one in held if one.path == str(tmp_path / "log")]
    assert [one.holders for one in mine] == [1]
    assert size <= mine[0].bytes < size + 2**20
    assert not [one for one in held if one.path == str(tmp_path / "hole")]


def probe_all(request: Request) -> Disks:
    """The reading of this machine."""
    steps = probe(Machine(), request)
    try:
        next(steps)
        steps.send(0.0)
    except StopIteration as end:
        reading: Disks = end.value
        return reading
    raise AssertionError("it wants a longer window")


PARSERS: dict[str, tuple[Callable[[str], object], str]] = {
    "mountinfo": (parse_mountinfo, (CASES / "nfs-cifs-6.1-one-server-dead/proc/self/mountinfo").read_text()),
    "diskstats": (parse_diskstats, (CASES / "rhel7-3.10-multipath-fc/proc/diskstats").read_text()),
    "mountstats": (parse_mountstats, (CASES / "nfs-cifs-6.1-one-server-dead/proc/self/mountstats").read_text()),
    "fstab": (parse_fstab, "# static\nUUID=1 / ext4 defaults 0 1\n/dev/sda2\tnone\tswap\n"),
    "dmsetup table": (parse_queueing, "mpatha: 0 2097152 multipath 1 queue_if_no_path 1 alua 2 1\n"),
    "dmsetup status": (parse_thin_pools, "vg-p-tpool: 0 2097152 thin-pool 1 26/1024 11/8192 - rw - - 1024\n"),
    "hexadecimal": (lambda text: hexadecimal(text, "/sys/x"), "0x1f\n"),
}


HOSTILE = ("", "-1", "9" * 5000, "٣", "nan", "0x", "\x00", "\n", " ", "\udcff", ":", " - ", "\\0")


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_a_file_holds_is_a_value_or_a_parse_error(name: str, data: st.DataObject) -> None:
    parse, good = PARSERS[name]
    at = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(at, min(len(good), at + 20)))
    junk = data.draw(st.sampled_from(HOSTILE))
    assert refusal(parse, good[:at] + junk + good[end:]).startswith(("/", "understood"))


def refusal(parse: Callable[[str], object], text: str) -> str:
    """What a parser has against `text`."""
    try:
        parse(text)
    except ParseError as error:
        return str(error)
    return "understood"


def test_mounts_that_lie_on_each_other_are_no_maze() -> None:
    line = "{} {} 0:1 / / rw - tmpfs a rw\n"
    text = line.format(1, 0) + line.format(2, 1) + line.format(1, 2)
    assert len(parse_mountinfo(text).all) <= 3


@pytest.mark.parametrize("name", PARSERS)
def test_what_a_file_really_holds_is_understood(name: str) -> None:
    parse, good = PARSERS[name]
    assert parse(good)
