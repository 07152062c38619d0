"""Parsers against whatever a file may hold: a value, or a ParseError that names the file; never anything else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipworthy.probes.parts.cgroups import Hierarchy, Mount, hierarchy, parse_cgroup, parse_mounts
from shipworthy.probes.parts.forkers import parse_processes_limit
from shipworthy.probes.parts.kernel_log import parse_log
from shipworthy.probes.parts.loadavg import parse_tasks
from shipworthy.probes.parts.oom import kills_in
from shipworthy.probes.parts.processes import parse_start_ticks, parse_status
from shipworthy.probes.parts.swap import parse_mm_stat, parse_swaps
from shipworthy.probes.parts.traffic import parse_block_stat
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import (
    delta,
    only_number,
    optional_number,
    parse_keyed,
    parse_meminfo,
    parse_pressure,
    parse_uptime,
    parse_vmstat,
    unescape,
)

CASES = Path(__file__).parents[1] / "cases" / "memory"
REAL = CASES / "debian12-6.18-hybrid-recorded" / "proc"

PARSERS: dict[str, tuple[Callable[[str, str], Any], str]] = {
    "meminfo": (parse_meminfo, (REAL / "meminfo").read_text()),
    "vmstat": (parse_vmstat, (REAL / "vmstat").read_text()),
    "pressure": (parse_pressure, (REAL / "pressure" / "memory").read_text()),
    "keyed": (parse_keyed, "low 0\noom_kill 3\n"),
    "swaps": (parse_swaps, (CASES / "swap-file-deleted-and-blank" / "proc" / "swaps").read_text()),
    "mm_stat": (parse_mm_stat, "1073741824 268435456 281018368 0 301989888 12345 0\n"),
    "block stat": (parse_block_stat, "1 0 8 1 9 0 72 8 0 2 9 0 0 0 0 0 0\n"),
    "cgroup": (parse_cgroup, (REAL / "self" / "cgroup").read_text()),
    "mountinfo": (parse_mounts, (REAL / "self" / "mountinfo").read_text()),
    "uptime": (parse_uptime, "2535.89 5000.00\n"),
    "loadavg": (parse_tasks, "0.10 0.20 0.30 1/93 30000\n"),
    "limits": (
        parse_processes_limit,
        "Max processes             4096                 15077                processes \n",
    ),
    "stat": (parse_start_ticks, (REAL / "1" / "stat").read_text()),
    "status": (lambda text, _: parse_status(1, text.encode("utf-8", "replace")), (REAL / "1" / "status").read_text()),
    "number": (only_number, "17\n"),
    "limit": (optional_number, "max\n"),
}

HOSTILE = st.sampled_from(
    ["", "-1", "9" * 5000, "٣", "nan", "inf", "0x1f", "1e9", "\x00", "\n", " ", "max", "\udcff", ":"]
)


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    """`text` with a piece cut out and something else put in its place."""
    begin = draw(st.integers(0, len(text)))
    end = draw(st.integers(begin, min(len(text), begin + 40)))
    return text[:begin] + draw(st.one_of(HOSTILE, st.text(max_size=20))) + text[end:]


def refusal(parse: Callable[[str, str], Any], text: str) -> str:
    """What a parser has against `text`."""
    try:
        parse(text, "/the/path")
    except ParseError as error:
        return str(error)
    return "understood"


@pytest.mark.parametrize("name", PARSERS)
def test_what_a_kernel_says_is_understood(name: str) -> None:
    parse, text = PARSERS[name]
    assert parse(text, "/the/path") != {} or name == "keyed"


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damage_is_understood_or_refused_in_words(name: str, data: st.DataObject) -> None:
    parse, text = PARSERS[name]
    assert refusal(parse, data.draw(damaged(text))).startswith(("/the/path: ", "/proc/1/status: ", "understood"))


@given(st.text())
@settings(max_examples=150, deadline=None)
def test_a_log_is_text_for_people_and_never_refused(text: str) -> None:
    lines = list(parse_log(text + "\n6,1,5,-;" + text + "\n[ 1.5] Out of memory: Killed process 7 (" + text))
    assert len(kills_in(lines, 10.0)) <= len(lines)


@given(st.text(min_size=1, max_size=60).filter(lambda text: "\n" not in text))
def test_a_process_name_cannot_forge_a_kill(comm: str) -> None:
    lines = [(1.0, f"Out of memory: Killed process 7 ({comm}) total-vm:1kB, anon-rss:1kB")]
    kills = kills_in(lines, 2.0)
    assert [(kill.pid, kill.at_cgroup_limit, kill.age_seconds) for kill in kills] == [(7, False, 1.0)]


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Za-z()_]{0,20}", fullmatch=True), st.integers(0, 2**54)))
def test_meminfo_gives_back_what_is_printed(sizes: dict[str, int]) -> None:
    text = "".join(f"{name}:{size:>12} kB\n" for name, size in sizes.items())
    if sizes:
        assert parse_meminfo(text) == {name: size * 1024 for name, size in sizes.items()}


@given(st.lists(st.text(min_size=1, max_size=30).filter(lambda text: "\n" not in text and text.strip()), max_size=4))
def test_swap_paths_are_given_back_whatever_they_hold(paths: list[str]) -> None:
    def mangled(path: str) -> str:
        return "".join(rf"\{ord(letter):03o}" if letter in " \t\n\\" else letter for letter in path)

    plain = [
        "/" + "".join(letter for letter in path if letter.isprintable() or letter in "\v\f\x85\u2028") for path in paths
    ]
    lines = [f"{mangled(path):<40}file\t\t{1000 + index}\t{index}\t-2\n" for index, path in enumerate(plain)]
    areas = parse_swaps("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" + "".join(lines))
    assert [area.path for area in areas] == plain
    assert [area.used_bytes for area in areas] == [index * 1024 for index in range(len(plain))]


def test_start_times_stand_behind_whatever_a_name_holds() -> None:
    tail = " ".join(str(field) for field in range(4, 45))
    for comm in ("plain", "a) R 1 2 (b", "new\nline", "", "))))", " "):
        assert parse_start_ticks(f"7 ({comm}) S {tail}\n", "/proc/7/stat") == 22


def test_a_counter_that_went_back_is_no_rate() -> None:
    assert delta(3, 5, "/proc/vmstat", "pswpin") == 2
    with pytest.raises(NotSeen, match="/proc/vmstat: pswpin went back from 5 to 3"):
        delta(5, 3, "/proc/vmstat", "pswpin")


def test_octal_escapes_are_undone_once() -> None:
    assert unescape(r"/a\040b\134040") == r"/a b\040"


@pytest.mark.parametrize(
    ("root", "path", "expected"),
    [
        ("/", "/a/b", [("/a/b", "/m/a/b"), ("/a", "/m/a"), ("/", "/m")]),
        ("/", "/", [("/", "/m")]),
        ("/docker/x", "/docker/x", [("/docker/x", "/m")]),
        ("/docker/x", "/docker/x/y", [("/docker/x/y", "/m/y"), ("/docker/x", "/m")]),
        ("/docker/x", "/docker/xy", [("/docker/xy", "/m")]),
        ("/docker/x", "/", [("/", "/m")]),
    ],
)
def test_ancestors_end_where_the_mount_does(root: str, path: str, expected: list[tuple[str, str]]) -> None:
    assert Hierarchy(2, Mount("cgroup2", root, "/m", ())).folders(path) == expected


def test_the_memory_controller_is_found_in_either_version(tmp_path: Path) -> None:
    machine = Machine(str(tmp_path))
    mounted = [
        Mount("cgroup", "/", "/sys/fs/cgroup/memory", ("rw", "memory")),
        Mount("cgroup2", "/", "/sys/fs/cgroup/unified", ("rw",)),
    ]
    assert hierarchy(machine, mounted, {"memory": "/a", "": "/b"}, "memory") == (Hierarchy(1, mounted[0]), "/a")
    assert hierarchy(machine, mounted, {"": "/b"}, "memory") == (Hierarchy(2, mounted[1]), "/b")
    with pytest.raises(NotSeen, match="the control groups of memory are not mounted"):
        hierarchy(machine, mounted[:1], {"": "/b"}, "memory")
    with pytest.raises(NotSeen, match="no control group of memory"):
        hierarchy(machine, mounted, {}, "memory")
