"""Hosts that answer wrongly: too much, too little, or what no probe of ours says.

A `python3` of the lab's own comes first in the host's PATH. It lets the real one do the work, and spoils its answer in
one way: so that way alone is what the suite must withstand.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.faults import NOTHING, confirm, fault, unreachable
from lab.host import LabHost

FAKE = Path(__file__).parents[1] / "fake_python.py"
_PYTHON = "/usr/local/bin/python3"


@contextmanager
def _spoiling(host: LabHost, how: str) -> Iterator[None]:
    host.write(_PYTHON, FAKE.read_text(), mode="755")
    host.write("/run/lab-spoil", how)
    try:
        found = host.login("command -v python3").stdout.strip()
        confirm(found == _PYTHON, host, f"python3 is {found}")
        yield
    finally:
        host.run(["rm", _PYTHON, "/run/lab-spoil"])


@fault(turns=unreachable)
def endless_answer(host: LabHost) -> Iterator[None]:
    """The answer never ends."""
    with _spoiling(host, "endless"):
        yield


@fault(turns=unreachable)
def gigabyte_answer(host: LabHost) -> Iterator[None]:
    """The answer is a gigabyte long."""
    with _spoiling(host, "gigabyte"):
        yield


@fault(turns=unreachable)
def answer_that_is_no_json(host: LabHost) -> Iterator[None]:
    """The answer is some server's error page."""
    with _spoiling(host, "no-json"):
        yield


@fault(turns=unreachable)
def answer_with_nan(host: LabHost) -> Iterator[None]:
    """A number in the answer is NaN, which would pass every comparison."""
    with _spoiling(host, "nan"):
        yield


@fault(turns=unreachable)
def deeply_nested_answer(host: LabHost) -> Iterator[None]:
    """The answer is a hundred thousand lists in each other."""
    with _spoiling(host, "deep"):
        yield


@fault(turns=unreachable)
def answer_with_duplicate_keys(host: LabHost) -> Iterator[None]:
    """A key stands twice in the answer, so that two readers could read two things."""
    with _spoiling(host, "duplicate"):
        yield


@fault(turns=unreachable)
def answer_with_lone_surrogate(host: LabHost) -> Iterator[None]:
    """A text in the answer holds half a character, which no file could be written with."""
    with _spoiling(host, "surrogate"):
        yield


@fault(turns=unreachable)
def answer_cut_in_the_middle(host: LabHost) -> Iterator[None]:
    """The answer stops half-way, with exit status 0."""
    with _spoiling(host, "cut"):
        yield


@fault(turns=NOTHING)
def stderr_flood(host: LabHost) -> Iterator[None]:
    """Thirty megabytes arrive on standard error before a truthful answer. To be borne."""
    with _spoiling(host, "stderr"):
        yield


@fault(turns={"clock.offset": "error"})
def answer_without_time(host: LabHost) -> Iterator[None]:
    """Questions for the time stay unanswered."""
    with _spoiling(host, "time-never"):
        yield


@fault(turns={"clock.offset": "error"})
def time_that_is_no_number(host: LabHost) -> Iterator[None]:
    """The time is not a number, which passes every comparison."""
    with _spoiling(host, "time-nan"):
        yield


@fault(turns={"clock.offset": "error"})
def time_that_nobody_asked_for(host: LabHost) -> Iterator[None]:
    """Answers come many at once, to questions that were not asked."""
    with _spoiling(host, "time-unasked"):
        yield
