"""The runtime's parts by themselves: windows, children, what may be read, what may be said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from shipworthy.probes.__main__ import main
from shipworthy.probes.runtime import child, encode, probe_names
from shipworthy.probes.runtime.child import Abandoned, ChildError
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.run import Probes, answer

CASES = Path(__file__).parents[1] / "cases" / "memory"


class Request(NamedTuple):
    in_doubt: bool = False
    slow: float = 0.0


class Reading(NamedTuple):
    seconds: list[float]


def steady(_: Machine, request: Request) -> Any:
    """Yields once, or twice when in doubt; tells each window."""
    time.sleep(request.slow)
    windows = [(yield)]
    if request.in_doubt:
        windows.append((yield))
    return Reading([round(seconds, 2) for seconds in windows])


def at_once(_: Machine, __: Request) -> Reading:
    return Reading([])


@pytest.fixture
def _modules(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, probe in (("steady", steady), ("doubtful", steady), ("slow", steady), ("at_once", at_once)):
        module = ModuleType(name)
        vars(module).update(VERSION=1, Request=Request, READING=Reading, probe=probe)
        monkeypatch.setitem(sys.modules, f"shipworthy.probes.{name}", module)


def measured(requests: dict[str, dict[str, Any]], within: float = 10.0) -> tuple[dict[str, Any], float, float]:
    """(readings, window, seconds it took)."""
    probes, begin = Probes(requests, Machine()), time.monotonic()
    probes.measure(0.2, 0.6, begin + within, within)
    took = time.monotonic() - begin
    return {name: outcome["reading"]["seconds"] for name, outcome in probes.outcomes().items()}, probes.window, took


@pytest.mark.usefixtures("_modules")
def test_one_window_serves_every_probe() -> None:
    readings, window, took = measured({"steady": {}, "doubtful": {}, "at_once": {}})
    assert readings["steady"] == [pytest.approx(0.2, abs=0.35)]
    assert readings["at_once"] == []
    assert 0.2 <= window < 0.55
    assert took < 1.5


@pytest.mark.usefixtures("_modules")
def test_a_probe_in_doubt_gets_the_long_window_and_the_others_do_not_wait_for_it() -> None:
    readings, window, _ = measured({"doubtful": {"in_doubt": True}, "steady": {}})
    assert readings["doubtful"] == [pytest.approx(0.2, abs=0.35), pytest.approx(0.6, abs=0.35)]
    assert readings["steady"] == [pytest.approx(0.2, abs=0.35)]
    assert 0.6 <= window < 1.5


@pytest.mark.usefixtures("_modules")
def test_without_rates_nobody_waits() -> None:
    readings, window, took = measured({"at_once": {}})
    assert (readings, window) == ({"at_once": []}, 0.0)
    assert took < 1


@pytest.mark.usefixtures("_modules")
def test_a_slow_probe_is_overtaken() -> None:
    readings, _, took = measured({"slow": {"slow": 2.3}, "steady": {}})
    assert readings["steady"] == [pytest.approx(0.2, abs=0.35)]
    assert readings["slow"] == [pytest.approx(0.2, abs=0.35)]
    assert took < 6


@pytest.mark.usefixtures("_modules")
def test_a_probe_that_finishes_while_nobody_looks_is_not_overlooked() -> None:
    """It stirs just when the others have been looked at and before the stir is forgotten."""
    probes = Probes({"at_once": {}}, Machine())
    (probe,) = probes._probes

    class Late(threading.Event):
        def clear(self) -> None:
            probe.outcome = probe.outcome or {"version": 1, "reading": {}}
            probe._stirred.set()
            super().clear()

    probe._stirred = probes._stirred = Late()
    probe.start = lambda _: None  # type: ignore[assignment, method-assign]
    begin = time.monotonic()
    probes.measure(0.2, 0.6, begin + 5, 5.0)
    assert time.monotonic() - begin < 4  # its deadline would be 5 s


@pytest.mark.usefixtures("_modules")
def test_a_window_never_outlasts_the_deadline() -> None:
    begin = time.monotonic()
    request = {"probes": {"doubtful": {"in_doubt": True}}, "window": 30.0, "long_window": 60.0, "deadline": 1.0}
    told = answer(request, Machine(), begin)
    assert time.monotonic() - begin < 10
    assert len(told["probes"]["doubtful"]["reading"]["seconds"]) == 2


def test_a_child_answers_with_what_json_knows() -> None:
    assert child.ask(lambda: {"a": [1, None, "é\udcff"]}, 5.0) == {"a": [1, None, "é\ufffd"]}


def test_a_childs_error_is_told() -> None:
    with pytest.raises(ChildError, match="ZeroDivisionError: division by zero"):
        child.ask(lambda: 1 / 0, 5.0)
    with pytest.raises(ChildError, match="ended with status -9 and no answer"):
        child.ask(lambda: os.kill(os.getpid(), signal.SIGKILL), 5.0)


def test_a_child_has_nothing_of_the_connection() -> None:
    def descriptors() -> list[str]:
        return sorted(str(Path(f"/proc/self/fd/{name}").readlink()) for name in range(3))

    def others() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 -- counted, not walked

    assert child.ask(descriptors, 5.0) == ["/dev/null"] * 3
    # Beyond them: /dev/null's own, the pipe for the answer, the directory that is listed.
    assert child.ask(others, 5.0) <= 6


@pytest.mark.parametrize("how", ["reads a pipe that nobody writes", "is stopped"])
def test_a_child_that_is_stuck_is_left_at_its_deadline(how: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")

    def stuck() -> None:
        if how == "is stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        (tmp_path / "fifo").read_bytes()

    begin = time.monotonic()
    with pytest.raises(Abandoned, match=r"no answer within 0\.3 s: state [ST]"):
        child.ask(stuck, 0.3)
    assert time.monotonic() - begin < 10


def test_a_command_is_run_with_a_deadline_and_bounds() -> None:
    done = child.run(["sh", "-c", "echo out; echo err >&2; cat; exit 3"], 5.0)
    assert (done.exit_status, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert child.run(["sh", "-c", "head -c 5000000 /dev/zero"], 10.0, at_most=1000).stdout == bytes(1000)
    assert child.run(["/no/such/command"], 5.0).exit_status == 127
    assert b"No such file" in child.run(["/no/such/command"], 5.0).stderr
    with pytest.raises(Abandoned, match=r"no answer within 0\.2 s"):
        child.run(["sleep", "60"], 0.2)


def test_a_commands_children_do_not_outlive_its_deadline(tmp_path: Path) -> None:
    with pytest.raises(Abandoned):
        child.run(["sh", "-c", f"sleep 77 & echo $! > {tmp_path / 'pid'}; wait"], 0.5)
    stat = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
    until = time.monotonic() + 5
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < until
        time.sleep(0.01)


def test_nothing_but_json_is_encoded() -> None:
    class Inner(NamedTuple):
        size: int
        name: str

    assert encode.encode({"a": [Inner(1, "\ud800x")]}) == {"a": [{"size": 1, "name": "\ufffdx"}]}
    with pytest.raises(ValueError, match=r"reading\.a\[1\] is inf"):
        encode.encode({"a": [1.0, float("inf")]})
    with pytest.raises(TypeError, match=r"reading\.a is of type set"):
        encode.encode({"a": {1}})
    with pytest.raises(TypeError, match=r"reading has a key of type int"):
        encode.encode({1: 2})
    deep: list[Any] = []
    for _ in range(30):
        deep = [deep]
    with pytest.raises(ValueError, match="lies too deep"):
        encode.encode(deep)


def test_a_recorded_tree_has_no_way_out(tmp_path: Path) -> None:
    (tmp_path / "proc" / "sys").mkdir(parents=True)
    (tmp_path / "proc" / "meminfo").symlink_to("/proc/meminfo")
    (tmp_path / "proc" / "self").symlink_to("/proc/self")
    (tmp_path / "proc" / "vmstat").symlink_to("../../../../../../../proc/vmstat")
    os.mkfifo(tmp_path / "proc" / "swaps")
    machine = Machine(str(tmp_path))
    for path in ("/proc/meminfo", "/proc/vmstat", "/proc/self/status", "/../../etc/passwd"):
        with pytest.raises(OSError, match="leads out of the recorded tree"):
            machine.read(path)
    with pytest.raises(OSError, match="leads out of the recorded tree"):
        machine.link("/proc/self/ns/pid")
    with pytest.raises(OSError, match="is no plain file of the recorded tree"):
        machine.read("/proc/swaps")
    with pytest.raises(NotSeen, match="the recorded tree does not tell what `true` said"):
        machine.run(["true"], 1.0)
    with pytest.raises(FileNotFoundError):
        machine.kernel_seconds()
    assert machine.uid() is None
    assert not machine.exists("/proc/meminfo")


def test_an_error_names_the_path_as_it_is_on_the_machine(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        Machine(str(tmp_path)).read("/proc/meminfo")
    assert caught.value.filename == "/proc/meminfo"
    (tmp_path / "big").write_bytes(bytes(11))
    with pytest.raises(OSError, match="is longer than 10 bytes: '/big'"):
        Machine(str(tmp_path)).read("/big", 10)


WATCHED = """
import sys
COMMANDS = ("subprocess.Popen", "os.fork", "os.exec", "os.system")
seen = []
def hook(event, arguments):
    if event in COMMANDS + ("open", "os.listdir", "os.scandir"):
        seen.append((event, str(arguments[0]) if arguments else ""))
from shipworthy.probes.__main__ import main
import shipworthy.probes.memory
sys.addaudithook(hook)
status = main(sys.argv[1:])
inside = [name for _, name in seen if "/cases/" in name]
machine = ("/proc", "/sys", "/dev", "/run", "/etc", "/var")
strange = [name for event, name in seen if name.strip("b'").startswith(machine) or event in COMMANDS]
print(len(inside) > 20, strange, file=sys.stderr)
"""


def test_reading_a_recorded_tree_opens_nothing_of_this_machine() -> None:
    case = CASES / "debian11-5.10-thrashing"
    arguments = ["memory", f"--root={case}", f"--then={case / 'then'}", "--seconds=10"]
    done = subprocess.run([sys.executable, "-c", WATCHED, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr == "True []\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["memroy"], f"no probe is called 'memroy'; there are {', '.join(probe_names())}"),
        (["memory", "--root=/no/such"], "/no/such is no directory"),
        (["memory", "--then=/"], "--then needs --root"),
        (["memory", "--root=/", "--then=/"], "--then and --seconds go together"),
        (["memory", "--root=/", "--then=/", "--seconds=0"], "argument --seconds: 0 is no length of time"),
        (["memory", "--root=/", "--then=/", "--seconds=nan"], "argument --seconds: nan is no length of time"),
        (["memory", "--seconds=x"], "argument --seconds: invalid _seconds value: 'x'"),
        ([], "the following arguments are required: PROBE"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 4
    assert capsys.readouterr().err == f"python -m shipworthy.probes: {message}\n"
