"""The whole way: a shell, a real interpreter, the bundle, one document; for every Python that is found here."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from selftest.probes.conftest import HEAD, ProbeMaker
from selftest.probes.interpreters import MARKER, NONCE, answer, interpreters, request, started, told_magic, version_of
from shipworthy.probes import memory, runtime
from shipworthy.probes.runtime.parse import parse_meminfo
from shipworthy.probes.runtime.switch import GONE

CASES = Path(__file__).parents[1] / "cases" / "memory"


def document(stdout: bytes) -> dict[str, Any]:
    """The one document after the marker; nothing else may be there."""
    assert stdout.endswith(b"\n") and stdout.count(b"\n") == 1
    found: dict[str, Any] = json.loads(stdout.decode("ascii"))
    return found


def gone_within(process: subprocess.Popen[bytes], seconds: float) -> float:
    begin = time.monotonic()
    process.wait(seconds)
    return time.monotonic() - begin


def told_pid(path: Path) -> int:
    """The process id that a probe writes to `path` when it has got so far."""
    until = time.monotonic() + 20
    while not path.exists() or not path.read_text().endswith("\n"):
        assert time.monotonic() < until, f"{path} did not come"
        time.sleep(0.01)
    return int(path.read_text())


@pytest.mark.parametrize("sent", ["what it knows", "source"])
@pytest.mark.parametrize("python", interpreters())
def test_every_python_answers_with_one_typed_document(python: str, sent: str) -> None:
    stdout, stderr, status = answer(python, {"memory": {}}, source=sent == "source")
    assert (stderr, status) == (b"", 0)
    told = document(stdout)
    assert list(told) == ["protocol", "host", "window", "cost", "probes"]
    assert told["protocol"] == 1
    assert told["host"]["python"] == version_of(Path(python))
    assert told["host"]["uid"] == os.geteuid()
    assert abs(told["host"]["time"] - time.time()) < 60
    assert 0.05 <= told["window"] < 20
    assert 0 < told["cost"]["cpu_seconds"] < 20 and told["cost"]["max_rss_bytes"] > 2**20
    outcome = told["probes"]["memory"]
    assert outcome["version"] == memory.VERSION
    reading = TypeAdapter(memory.READING).validate_python(outcome["reading"], strict=True)
    assert isinstance(reading, memory.Memory)
    assert reading.traffic is not None and reading.traffic.seconds is not None
    assert reading.ram.total_bytes == parse_meminfo(Path("/proc/meminfo").read_text())["MemTotal"]


@pytest.mark.parametrize("python", interpreters())
@pytest.mark.parametrize("case", ["debian11-5.10-thrashing", "oom-6.1-group-and-global", "hostile-process-names"])
def test_every_python_reads_a_recorded_machine_alike(python: str, case: str) -> None:
    here = subprocess.run(
        [sys.executable, "-m", "shipworthy.probes", "memory", f"--root={CASES / case}"], capture_output=True, check=True
    )
    there = subprocess.run(
        [python, "-m", "shipworthy.probes", "memory", f"--root={CASES / case}"],
        capture_output=True,
        check=True,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert json.loads(here.stdout) == json.loads(there.stdout)


def test_the_oldest_python_that_is_promised_is_among_them() -> None:
    versions = [version_of(Path(python)) for python in interpreters()]
    if not any(version.startswith("3.6.") for version in versions):
        pytest.skip(f"no Python 3.6 here, only {', '.join(versions)}: the static check alone holds the floor")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_nobody_sees_less_and_says_so() -> None:
    python = "/usr/bin/python3"
    if not Path(python).exists():
        pytest.skip("no interpreter that nobody may start")
    process = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/"}
    stdout, stderr, status = answer(python, {"memory": {}}, process=process)
    assert (stderr, status) == (b"", 0)
    told = document(stdout)
    assert told["host"]["uid"] == 65534
    reading = told["probes"]["memory"]["reading"]
    assert reading["ram"]["available_percent"] > 0
    assert reading["processes"]["total"] >= 1
    assert reading["oom"]["log"] is not None or "needs root" in reading["unseen"]["oom.log"]


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "zsh", "ksh", "mksh", "csh", "tcsh", "fish", "busybox"])
def test_every_login_shell_takes_the_command(shell: str) -> None:
    program = shutil.which(shell)
    if not program:
        pytest.skip(f"no {shell} here")
    arguments = [program, "sh"] if shell == "busybox" else [program]
    line = runtime.shell_command(None, NONCE)
    done = subprocess.run([*arguments, "-c", line], input=b"", capture_output=True, timeout=20, check=False)
    assert MARKER.fullmatch(done.stdout)
    assert done.stderr == b"standard input did not begin with a bundle\n"


def test_the_command_means_the_same_to_every_shell() -> None:
    line = runtime.shell_command("/opt/it's/python", NONCE)
    assert "\n" not in line and "!" not in line and "\\" not in line
    assert "'" not in runtime.LOADER


def test_without_python_the_shell_says_what_was_tried(tmp_path: Path) -> None:
    (tmp_path / "sh").symlink_to(shutil.which("sh") or "/bin/sh")
    with started("/no/such/python", env={"PATH": str(tmp_path)}) as process:
        stdout, _ = process.communicate(timeout=20)
    if Path(runtime.wire.PLACES[1]).exists():
        pytest.skip("this machine has a platform-python, which is found")
    tried = "/no/such/python python3 /usr/libexec/platform-python"
    assert (process.returncode, stdout.decode()) == (127, f"SHIPWORTHY-{NONCE} no-python {tried}\n")


def test_a_python_that_is_too_old_is_named(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    source = "import sys; sys.version_info = (3, 5, 2); sys.version = '3.5.2 (old)'; exec(sys.argv.pop(1))"
    old.write_text(f'#!/bin/sh\nshift 3\nexec {sys.executable} -c "{source}" "$@"\n')
    old.chmod(0o755)
    with started(str(old)) as process:
        stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 127, stderr
    assert re.fullmatch(rf"SHIPWORTHY-{NONCE} no-python \S+ is 3\.5\.2\n", stdout.decode())


def test_a_password_that_was_sent_too_early_is_shown_nowhere() -> None:
    with started(None) as process:
        stdout, stderr = process.communicate(b"correct horse battery staple\n", timeout=20)
    assert MARKER.fullmatch(stdout)
    assert stderr == b"standard input did not begin with a bundle\n"


@pytest.mark.parametrize("sent", ["bundle", "request"])
def test_a_connection_cut_in_a_block_ends_the_process_in_one_line(sent: str) -> None:
    data = runtime.bundle(["memory"])
    data = data[:-5] if sent == "bundle" else data + request({"memory": {}})[:-5]
    with started(None) as process:
        stdout, stderr = process.communicate(data, timeout=20)
    assert MARKER.fullmatch(stdout)
    assert process.returncode == 1
    assert stderr.decode() == f"standard input ended within the {sent}\n"


def test_what_a_probe_prints_does_not_get_into_the_document(make_probe: ProbeMaker) -> None:
    make_probe(
        "loud",
        """
        def probe(machine, request):
            print("noise", flush=True)
            os.write(1, b"more noise")
            machine.run(["sh", "-c", "echo even more; echo and more >&2"], 5.0)
            return Reading(request.text)
        """,
    )
    stdout, stderr, status = answer(None, {"loud": {"text": "quiet"}})
    assert document(stdout)["probes"] == {"loud": {"version": 7, "reading": {"value": "quiet"}, "seconds": 0.0}}
    assert (stderr, status) == (b"noise\nmore noise", 0)


@pytest.mark.parametrize("magic", [runtime.MAGIC, "", "00000000"])
def test_a_probe_that_raises_leaves_the_others_whole(make_probe: ProbeMaker, magic: str) -> None:
    make_probe("bad", "def probe(machine, request):\n    yield\n    open('/no/such\\nfile')\n")
    make_probe("broken", "import no_such_module\n")
    make_probe("quitter", "def probe(machine, request):\n    raise SystemExit(3)\n")
    make_probe("nan", "def probe(machine, request):\n    return Reading([{'a': float('nan')}])\n")
    make_probe("greedy", "def probe(machine, request):\n    yield\n    yield\n    yield\n")
    make_probe("nothing", "def probe(machine, request):\n    return None\n")
    names = ("bad", "broken", "quitter", "nan", "greedy", "nothing", "absent", "memory")
    asked: dict[str, dict[str, Any]] = {name: {} for name in names}
    with started(sys.executable) as process:
        assert process.stdin and told_magic(process) == runtime.MAGIC
        data = runtime.bundle(set(names) - {"absent"}, magic) + request({**asked, "nan": {}, "memory": {"oops": 1}})
        process.stdin.write(data)
        process.stdin.flush()
        assert process.stdout and process.stderr
        probes = document(process.stdout.read())["probes"]
        assert process.stderr.read() == b""
    errors = {name: probes[name]["error"] for name in names}
    place = HEAD.count("\n") + 3
    missing = "FileNotFoundError: [Errno 2] No such file or directory: '/no/such\\nfile'"
    assert errors["bad"] == f"{missing} (bad.py:{place})"
    assert errors["broken"].startswith("ModuleNotFoundError: No module named 'no_such_module' (broken.py:")
    assert errors["quitter"].startswith("SystemExit: 3 (quitter.py:")
    assert errors["nan"].startswith("ValueError: reading.value[0].a is nan")
    assert errors["greedy"].startswith("RuntimeError: the probe yields a third time")
    assert errors["nothing"].startswith("TypeError: the probe returned NoneType, no Reading")
    assert errors["absent"].startswith("ModuleNotFoundError: No module named 'shipworthy.probes.absent'")
    assert errors["memory"].startswith("TypeError: ") and "oops" in errors["memory"]


def test_the_document_goes_out_in_time_though_a_probe_is_stuck(make_probe: ProbeMaker, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    make_probe("stuck", "def probe(machine, request):\n    yield\n    open(request.text)\n")
    make_probe("busy", "def probe(machine, request):\n    while True: pass\n")
    make_probe("well", "def probe(machine, request):\n    seconds = yield\n    return Reading(seconds)\n")
    begin = time.monotonic()
    asked: dict[str, dict[str, Any]] = {"stuck": {"text": str(fifo)}, "well": {}, "busy": {}}
    stdout, stderr, status = answer(None, asked, deadline=3.0)
    # The stuck probes would last for ever, so any bound proves it; loaded machines start interpreters slowly.
    assert time.monotonic() - begin < 20
    assert (stderr, status) == (b"", 0)
    probes = document(stdout)["probes"]
    assert re.fullmatch(r"Unfinished: not done 3 s after the request, at stuck\.py:\d+", probes["stuck"]["error"])
    assert probes["busy"]["error"].startswith("Unfinished: not done 3 s after the request, at busy.py:")
    assert probes["well"]["reading"]["value"] >= 0.05


def test_a_reading_that_is_too_long_gives_way(make_probe: ProbeMaker) -> None:
    make_probe("long", "def probe(machine, request):\n    return Reading('é' * 400000)\n")
    make_probe("short", "def probe(machine, request):\n    return Reading('\\udcff\\ud800')\n")
    stdout, _, _ = answer(None, {"long": {}, "short": {}})
    assert len(stdout) < 2**21
    probes = document(stdout)["probes"]
    assert probes["long"] == {"version": 7, "error": "TooLong: the reading takes 2400050 bytes, all may take 2097152"}
    assert probes["short"]["reading"]["value"] == "\ufffd\ufffd"


SLEEPER = """
def probe(machine, request):
    def clean_up():
        os.unlink(request.text)
    switch.on_end(clean_up)
    with open(request.text, "w") as file:
        print(os.getpid(), file=file)
    {wait}
"""


@pytest.mark.parametrize(
    "wait",
    ["time.sleep(60)", "machine.run(['sleep', '60'], 60.0)", "machine.ask(lambda: time.sleep(60), 60.0)"],
    ids=["itself", "command", "child"],
)
@pytest.mark.parametrize("how", ["end of input", signal.SIGTERM, signal.SIGHUP], ids=str)
def test_when_the_caller_goes_the_probe_cleans_up_and_goes(
    make_probe: ProbeMaker, tmp_path: Path, wait: str, how: str | signal.Signals
) -> None:
    make_probe("sleeper", SLEEPER.format(wait=wait))
    there = tmp_path / "there"
    with started(None) as process:
        assert process.stdin and process.stdout
        process.stdin.write(runtime.bundle(["sleeper"]) + request({"sleeper": {"text": str(there)}}, deadline=50.0))
        process.stdin.flush()
        pid = told_pid(there)
        if isinstance(how, signal.Signals):
            os.kill(pid, how)
        else:
            process.stdin.close()
        assert gone_within(process, 5) < 1
        assert process.returncode == GONE
        assert not there.exists()
        assert MARKER.fullmatch(process.stdout.read())


def test_a_clean_up_that_hangs_or_fails_does_not_keep_the_process(make_probe: ProbeMaker, tmp_path: Path) -> None:
    make_probe(
        "stubborn",
        """
        def probe(machine, request):
            switch.on_end(lambda: time.sleep(60))
            switch.on_end(lambda: os.unlink(request.text))
            switch.on_end(lambda: 1 / 0)
            with open(request.text, "w") as file:
                print(os.getpid(), file=file)
            time.sleep(60)
        """,
    )
    there = tmp_path / "there"
    with started(None) as process:
        assert process.stdin
        process.stdin.write(runtime.bundle(["stubborn"]) + request({"stubborn": {"text": str(there)}}, deadline=50.0))
        process.stdin.flush()
        told_pid(there)
        process.stdin.close()
        assert gone_within(process, 5) < 3
        assert not there.exists()


def test_probes_run_niced_and_write_nothing(make_probe: ProbeMaker) -> None:
    make_probe("polite", "def probe(machine, request):\n    return Reading([os.nice(0), sorted(os.listdir('.'))])\n")
    before = sorted(file.name for file in Path().iterdir())
    niceness = os.nice(0)
    stdout, _, _ = answer(None, {"polite": {}})
    assert document(stdout)["probes"]["polite"]["reading"]["value"] == [min(19, niceness + 10), before]


def test_bytecode_is_for_those_alone_that_run_it() -> None:
    assert len({runtime.bundle(["memory"], magic) for magic in ("", "00000000", runtime.MAGIC.upper(), "a70d")}) == 1
    assert runtime.bundle(["memory"], runtime.MAGIC) != runtime.bundle(["memory"])


def test_the_bundle_is_small_and_only_what_is_asked() -> None:
    assert len(runtime.bundle(["memory"])) < 50_000
    assert len(runtime.bundle(["memory"], runtime.MAGIC)) < 150_000
    with pytest.raises(ValueError, match=r"no probe is called 'memroy'; there are (\w+, )*memory"):
        runtime.bundle(["memroy"])
    assert "memory" in runtime.probe_names() and "__main__" not in runtime.probe_names()
