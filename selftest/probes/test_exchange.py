"""Questions for the time, as a host hears them: answered at once, as many as were agreed, and never in the document."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from selftest.probes.conftest import ProbeMaker
from selftest.probes.interpreters import interpreters, started, told_magic
from shipworthy.probes import runtime
from shipworthy.probes.runtime.exchange import Exchanges
from shipworthy.probes.runtime.switch import GONE

ANSWER = re.compile(rb"at (\d+) (\d+\.\d{6})\n")
CLOCK = {"clock": {"exchanges": 8, "keeper": False, "sources": False}}


@contextmanager
def asked(
    python: str | None = None, probes: dict[str, dict[str, Any]] = CLOCK, deadline: float = 20.0, **more: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A host that has been asked, its marker read."""
    document = {"probes": probes, "window": 0.05, "long_window": 0.1, "deadline": deadline, "exchanges": 8, **more}
    with started(python) as process:
        assert process.stdin and process.stdout
        bundle = runtime.bundle(probes, told_magic(process))
        process.stdin.write(bundle + runtime.block(json.dumps(document).encode()))
        process.stdin.flush()
        yield process


def say(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin
    process.stdin.write(data)
    process.stdin.flush()


def hear(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    """The next line, which must be an answer."""
    assert process.stdout
    line = process.stdout.readline()
    match = ANSWER.fullmatch(line)
    assert match, line
    return int(match[1]), float(match[2])


def rest(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """All that is still to come: the document, and nothing else."""
    assert process.stdout
    body = process.stdout.read()
    assert body.count(b"\n") == 1, body[:200]
    found: dict[str, Any] = json.loads(body)
    return found


@pytest.mark.parametrize("python", interpreters())
def test_every_python_tells_the_time_when_it_is_asked(python: str) -> None:
    with asked(python) as process:
        assert hear(process)[0] == 0
        for number in range(1, 9):
            before = time.time()
            say(process, b"%d\n" % number)
            told = hear(process)
            assert told[0] == number
            assert before - 1e-5 <= told[1] <= time.time() + 1e-5
        ended = time.monotonic()
        assert rest(process)["probes"]["clock"]["reading"]["daemon"] is None
        assert time.monotonic() - ended < 15, "the last answer ends the waiting"


def test_it_answers_while_probes_work(make_probe: ProbeMaker) -> None:
    make_probe(
        "busy", "def probe(machine, request):\n    until = time.time() + 1\n    while time.time() < until: pass\n"
    )
    with asked(probes={"busy": {}}) as process:
        hear(process)
        say(process, b"1\n")
        assert hear(process)[0] == 1


def test_no_more_is_answered_than_was_agreed() -> None:
    with asked(exchanges=2) as process:
        assert hear(process)[0] == 0
        say(process, b"1\n2\n3\n4\n" * 1000)
        assert [hear(process)[0] for _ in range(2)] == [1, 2]
        rest(process)


def test_what_is_no_question_is_not_answered() -> None:
    with asked(exchanges=2) as process:
        hear(process)
        say(process, b"\n-1\nnan\n99999\n" + b"9" * 100_000 + b"\n\xff\n 4\n")
        say(process, b"1")
        say(process, b"7\n")
        assert hear(process)[0] == 17
        say(process, b"18\n")
        assert hear(process)[0] == 18
        rest(process)


def test_who_does_not_ask_is_not_waited_for() -> None:
    with asked() as process:
        hear(process)
        assert rest(process)["protocol"] == 1


def test_nothing_is_said_where_nothing_was_agreed() -> None:
    with asked(exchanges=0) as process:
        say(process, b"1\n2\n")
        rest(process)


def test_the_switch_still_works_between_questions(make_probe: ProbeMaker, tmp_path: Path) -> None:
    there = tmp_path / "there"
    make_probe(
        "sleeper",
        """
        def probe(machine, request):
            switch.on_end(lambda: os.unlink(request.text))
            open(request.text, "w").close()
            time.sleep(60)
        """,
    )
    with asked(probes={"sleeper": {"text": str(there)}}, deadline=50.0) as process:
        hear(process)
        say(process, b"1\n")
        hear(process)
        until = time.monotonic() + 20
        while not there.exists():
            assert time.monotonic() < until
            time.sleep(0.01)
        assert process.stdin
        process.stdin.close()
        assert process.wait(20) == GONE
        assert not there.exists()


def test_once_the_document_begins_nothing_is_answered() -> None:
    reading, writing = os.pipe()
    exchanges = Exchanges(writing, 3)
    exchanges.begin()
    exchanges.hear(b"1\n")
    exchanges.end(time.monotonic())
    exchanges.hear(b"2\n3\n")
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        assert [line.split()[1] for line in told] == [b"0", b"1"]
