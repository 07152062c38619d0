"""What happened since the last run: counters of rare events travel from run to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import lab, write_inventory
from lab.faults.memory import kills_counted
from selftest.labs.possible import require_lab
from selftest.stories.user import Ran, Repository
from shipworthy import snapshot
from shipworthy.snapshot import Snapshot

OOM = ("--pyargs", "shipworthy.tests", "-k", "oom_killed")


def taken(ran: Ran) -> Snapshot:
    (path,) = (ran.directory / "snapshots").iterdir()
    return snapshot.load(path)


def test_a_run_knows_the_one_before_it_and_takes_no_replay_for_one(repository: Repository) -> None:
    first = taken(repository.pytest(*OOM))
    assert first.previous == snapshot.NOTHING_BEFORE
    ran = repository.pytest(*OOM)
    second = taken(ran)
    assert second.previous.at == first.at
    old = next(path for path in (repository.directory / "reports").glob("2*") if path != ran.directory)
    assert taken(repository.pytest(*OOM, f"--replay={old}")) == first, "a replay judges what was known then"
    assert taken(repository.pytest(*OOM)).previous.at == first.at, "kills are told for a day: the oldest run within it"


def test_what_other_checks_asked_is_no_comparison(repository: Repository) -> None:
    first = taken(repository.pytest(*OOM))
    repository.pytest("--pyargs", "shipworthy.tests", "-m", "reachable")
    assert taken(repository.pytest(*OOM)).previous.at == first.at


@pytest.mark.parametrize(("within", "counts"), [("3650 d", [3, 3, 4]), ("1 s", [None, 0, 1])])
def test_a_kill_is_told_until_it_is_old(tmp_path: Path, python: Path, within: str, counts: list[int | None]) -> None:
    """Three processes were killed some time ago, then nothing, then one more; nothing tells for whose sake.

    Nor does anything tell of the first three when that was, but the uptime.
    """
    require_lab()

    with lab(names=["db"]) as fleet:
        (db,) = fleet
        repository = Repository(tmp_path / "fleet", python, through=fleet.here.command([]))
        (repository.directory / "inventories").mkdir(parents=True)
        write_inventory(fleet, repository.directory / "inventories")
        # With ten years all kills since boot count; with a second only those since the run before.
        repository.write("policies/lab.yml", f"plays:\n- hosts: all\n  memory: {{oom_within: {within}}}\n")
        told = []
        for times in (3, 3, 4):
            with kills_counted(db, times):
                result = repository.pytest("--inventory=lab", *OOM).of("memory.oom_kills")
                told.append((result.outcome, result.message))
    unknown = "kills for want of memory of unknown kind"
    missing = "3 kills since boot; when is not known: the kernel's log tells of other containers too"
    outcomes = {None: ("error", missing), 0: ("passed", "")}
    assert told == [outcomes.get(count, ("warned", f"{unknown} {count}, warning above 0")) for count in counts]
