"""The line that tells how far a run is: on a terminal, rewritten in place and gone at the end; in a pipe, nothing."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator

import pytest

from lab import Lab, lab
from lab.faults import login
from selftest.endings.terminal import COLUMNS, OnTerminal, on_terminal
from selftest.scenarios.suite import suite

DONE = re.compile(r"\r(\d) of 3 hosts done(?:, (\d) failed)? *(?=\r)")
ENDING = [
    r"FAILED  gone  reachable\.login  connect: .* connection refused \(so \d+ other checks could not be measured\)",
    r"ERROR   db, web, gone  clock\.odd_one_out  1 host told no time: gone .*",
    r"\d+ passed, 1 failed, \d+ errors, \d+ skipped on 3 hosts in .* s",
    r"report: .*/report\.html",
    r"=+ 1 failed, .* =+",
    "",
]


@pytest.fixture(scope="module")
def fleet() -> Iterator[Lab]:
    with lab(names=["db", "web", "gone"]) as made, login.refused(made[2]):
        yield made


@pytest.fixture(scope="module")
def watched(fleet: Lab) -> OnTerminal:
    return on_terminal(fleet)


def test_it_counts_hosts_and_those_that_failed(watched: OnTerminal) -> None:
    told = [match.groups() for match in DONE.finditer(watched.sent.decode())]
    assert told == [("0", None), ("1", "1"), ("2", "1"), ("3", "1")]


def test_it_is_rewritten_in_place_and_leaves_no_debris(watched: OnTerminal) -> None:
    screen = watched.screen
    assert not [line for line in screen if "done" in line]
    start = next(number for number, line in enumerate(screen) if re.match(r"collected \d+ items", line))
    assert "" in screen[start + 1 : start + 3]  # and perhaps a line about the inventory
    for line, expected in zip(screen[-len(ENDING) :], ENDING, strict=True):
        assert re.fullmatch(expected, line), line
    assert len(screen) - len(ENDING) - start <= 3


def test_it_never_wraps(watched: OnTerminal) -> None:
    for line in re.split("[\r\n]+", watched.sent.decode()):
        assert "done" not in line or len(line) < COLUMNS


def test_an_answer_to_sigusr1_stands_on_lines_of_its_own(fleet: Lab) -> None:
    asked = False

    def ask(process: subprocess.Popen[bytes], sent: bytes) -> None:
        nonlocal asked
        if b"1 of 3" in sent and not asked:
            asked = True
            process.send_signal(signal.SIGUSR1)

    run = on_terminal(fleet, "--window=3", meanwhile=ask)
    told = [line for line in run.screen if "got past" in line]
    assert [line.partition(":")[0] for line in told] == ["db", "web"], run.screen
    assert not [line for line in run.screen if "done" in line]


def test_ctrl_c_leaves_the_terminal_tidy(fleet: Lab) -> None:
    interrupted: list[bytes] = []

    def interrupt(process: subprocess.Popen[bytes], sent: bytes) -> None:
        if not interrupted and (sent.endswith(b"\r") or b"1 of 3" in sent):
            interrupted.append(sent)  # once: who presses it twice wants no tidiness
            process.send_signal(signal.SIGINT)

    run = on_terminal(fleet, "--window=3", meanwhile=interrupt)
    assert run.status == 2
    assert not [line for line in run.screen if "done" in line or "Traceback" in line]
    assert [line for line in run.screen if "Interrupted: by SIGINT" in line]


@pytest.mark.parametrize("arguments", [(), ("-v", "-rA")], ids=" ".join)
def test_a_pipe_gets_lines_and_nothing_else(fleet: Lab, arguments: tuple[str, ...]) -> None:
    run = suite(fleet, *arguments)
    assert run.stderr == ""
    assert {one for one in run.stdout if not one.isprintable()} == {"\n"}
    assert "done" not in run.stdout
