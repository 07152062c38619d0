"""The run's directory: private, whole at any moment, shared by several runs, and safe from host names."""

from __future__ import annotations

import json
import os
import re
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftest.report import fleet
from shipworthy.errors import ReplayError, UsageError
from shipworthy.report import stored
from shipworthy.report.run import ResultLog, RunDirectory, RunLog, file_name, replace_file, replacing, stamp, who

NOW = datetime(2026, 11, 23, 5, 31, 7, tzinfo=UTC)


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def test_a_run_is_named_after_its_moment_and_closed_to_others(tmp_path: Path) -> None:
    os.umask(0o022)
    run = RunDirectory.create(tmp_path / "deep" / "reports", NOW.astimezone(timezone(timedelta(hours=2))))
    assert re.fullmatch(r"2026-11-23T05-31-07Z-[0-9a-f]{4}", run.run)
    run.write_facts(fleet.facts())
    with ResultLog(run.results) as log:
        log.append(fleet.small()[0])
    replace_file(run.snapshot("db1"), b"x")
    assert {mode(path) for path in (tmp_path / "deep", run.path, run.snapshots)} == {"0o700"}
    assert {mode(path) for path in run.path.rglob("*") if path.is_file()} == {"0o600"}


def test_two_runs_at_once_in_one_directory_stay_apart(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        runs = list(threads.map(lambda _: RunDirectory.create(tmp_path, NOW), range(40)))
        notices = list(threads.map(RunDirectory.point_latest, runs))
    assert len({run.path for run in runs}) == 40
    assert set(notices) == {""}
    assert (tmp_path / "latest").resolve() in {run.path for run in runs}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_latest_never_goes_back_to_an_older_run(tmp_path: Path) -> None:
    newer, older = (RunDirectory.create(tmp_path, NOW + timedelta(hours=hours)) for hours in (1, 0))
    assert newer.point_latest() == older.point_latest() == ""
    assert (tmp_path / "latest").readlink() == Path(newer.run)


def test_of_one_second_the_last_to_end_is_the_latest(tmp_path: Path) -> None:
    for run in [RunDirectory.create(tmp_path, NOW) for _ in range(5)]:
        assert run.point_latest() == ""
        assert (tmp_path / "latest").readlink() == Path(run.run)


def test_something_else_called_latest_is_left_alone_and_said(tmp_path: Path) -> None:
    (tmp_path / "latest" / "mine").mkdir(parents=True)
    assert "does not name this run" in RunDirectory.create(tmp_path, NOW).point_latest()
    assert (tmp_path / "latest" / "mine").is_dir()


@pytest.mark.parametrize("reports", ["file", "file/deeper"])
def test_a_file_in_the_way_is_a_usage_error_that_names_it(tmp_path: Path, reports: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=rf"{tmp_path}/file.*cannot be written here: a file is in the way"):
        RunDirectory.create(tmp_path / reports, NOW)


def test_a_place_that_cannot_be_written_is_a_usage_error_that_names_it() -> None:
    with pytest.raises(UsageError, match=r"/proc/1/reports: reports cannot be written here: "):
        RunDirectory.create(Path("/proc/1/reports"), NOW)


def test_a_result_is_on_disk_when_append_returns(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, NOW)
    with ResultLog(run.results) as log:
        for number, result in enumerate(fleet.small(), 1):
            log.append(result)
            assert len(list(stored.results(run.path))) == number
    assert list(stored.results(run.path)) == fleet.small()


def test_a_run_killed_in_the_middle_of_a_line_can_be_read(tmp_path: Path) -> None:
    directory = fleet.stored(tmp_path / "run", fleet.small())
    whole = (directory / "results.jsonl").read_bytes()
    (directory / "results.jsonl").write_bytes(whole[:-30])
    assert list(stored.results(directory)) == fleet.small()[:-1]


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"schema": 2}', '{"schema": 1, "outcome": "fine"}', '{"schema": 1, "outcome": "passed"}']
)
def test_a_line_that_is_no_result_is_named(tmp_path: Path, line: str) -> None:
    directory = fleet.stored(tmp_path / "run", fleet.small()[:2])
    with (directory / "results.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ReplayError, match=r"results\.jsonl:3: "):
        list(stored.results(directory))


def test_the_runs_own_log_numbers_its_events_from_any_thread(tmp_path: Path) -> None:
    with RunLog(tmp_path / "run.log", "run-1") as log:
        threads = [
            threading.Thread(target=log.event, args=("info", "login", f"web{n}"), kwargs={"cause": OSError("no")})
            for n in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    events = [json.loads(line) for line in (tmp_path / "run.log").read_text().splitlines()]
    assert [event["seq"] for event in events] == list(range(1, 21))
    assert {event["host"] for event in events} == {f"web{n}" for n in range(20)}
    assert events[0] | {"at": "", "seq": 0, "host": ""} == {
        "at": "", "level": "info", "run": "run-1", "seq": 0, "host": "", "event": "login", "cause": "no",
    }  # fmt: skip


def test_facts_are_replaced_whole(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, NOW)
    run.write_facts(fleet.facts(status="running", exit_status=None))
    assert stored.facts(run.path)["status"] == "running"
    run.write_facts(fleet.facts())
    assert (stored.facts(run.path)["status"], stored.facts(run.path)["exit_status"]) == ("finished", 0)
    assert [path.name for path in run.path.iterdir()] == ["run.json"]


def test_a_file_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("old")
    with suppress(RuntimeError), replacing(tmp_path / "report") as file:
        file.write(b"new")
        raise RuntimeError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("report", "old")]


@pytest.mark.parametrize("host", ["db1", "web-2.fra.example.net", "10.0.0.7"])
def test_a_plain_host_name_is_its_file_name(host: str) -> None:
    assert file_name(host, ".json.gz") == f"{host}.json.gz"


HOSTILE = [
    "..",
    ".",
    "",
    "../../etc/passwd",
    "a/b",
    "a\x00b",
    "DB1",
    "dB1",
    "x" * 5000,
    "con",
    "nul.txt",
    "é",
    "-rf",
    "a.",
]


def test_hostile_host_names_are_safe_different_file_names(tmp_path: Path) -> None:
    names = [file_name(host, ".json.gz") for host in (*HOSTILE, "db1", "\ud800", "a b", "a-b")]
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        (tmp_path / name).touch()
        assert (tmp_path / name).resolve().parent == tmp_path.resolve()


@given(st.text(st.characters(codec=None), max_size=300))
def test_any_host_name_is_a_short_plain_file_name(host: str) -> None:
    assert re.fullmatch(r"[a-z0-9_-][a-z0-9._~-]{0,110}", file_name(host))
    assert file_name(file_name(host)) == file_name(host) or "~" in file_name(host)


def test_times_are_written_in_utc_with_milliseconds() -> None:
    assert stamp(NOW.astimezone(timezone(timedelta(hours=9)))) == "2026-11-23T05:31:07.000Z"


def test_who_ran_it_is_known() -> None:
    assert re.fullmatch(r".+@.*", who())
