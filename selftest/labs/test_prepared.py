"""A host's prepared /proc files: calm by default, edited for one host alone, and the machine's where asked."""

from __future__ import annotations

from pathlib import Path

from lab import Lab, lab, prepared


def test_a_host_is_calm_by_default(fleet: Lab) -> None:
    db, _ = fleet
    meminfo = dict(line.split(":") for line in db.read("/proc/meminfo").splitlines())
    assert meminfo["SwapTotal"] == meminfo["SwapFree"] != "             0 kB"
    assert int(meminfo["MemAvailable"].split()[0]) * 2 > int(meminfo["MemTotal"].split()[0])
    assert list(meminfo) == [line.split(":")[0] for line in Path("/proc/meminfo").read_text().splitlines()]
    assert "oom_kill 0\n" in db.read("/proc/vmstat")


def test_an_edit_is_seen_on_one_host_and_undone(fleet: Lab) -> None:
    db, web = fleet
    before = db.read("/proc/loadavg")
    with prepared(db, "/proc/loadavg", lambda _: "9.00 8.00 7.00 1/1 1\n"):
        assert db.read("/proc/loadavg").startswith("9.00")
        assert web.read("/proc/loadavg") == before
    assert db.read("/proc/loadavg") == before


def test_a_file_that_is_not_prepared_is_covered_and_uncovered(fleet: Lab) -> None:
    db, _ = fleet
    with prepared(db, "/proc/1/status", lambda text: text.replace("Name:\tsh", "Name:\tjava")):
        assert db.read("/proc/1/status").startswith("Name:\tjava")
    assert db.read("/proc/1/status").startswith("Name:\tsh")


def test_a_lab_may_show_the_machines_own() -> None:
    with lab(hosts=1, prepared=False) as fleet:
        total = Path("/proc/meminfo").read_text().split("\n", 1)[0]
        assert fleet[0].read("/proc/meminfo").startswith(total)
        assert fleet[0].read("/proc/swaps") == Path("/proc/swaps").read_text()
