"""What one host was asked in one run and what it said: strict to read, typed to use, stored to be judged again.

In: a host's answer as bytes, or a stored snapshot. Out: `Snapshot`, whose `reading("memory")` is the typed reading.
Hosts are not trusted: whatever they say is bounded and validated here, before anything looks at it.
"""

from __future__ import annotations

import gzip
import importlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

from shipworthy.errors import AnswerError, NotMeasured, ReplayError
from shipworthy.exchange import NO_EXCHANGES, Exchange, Exchanges
from shipworthy.strict import form_of, strict_json, unpacked, validated, with_tuples
from shipworthy.vantage.meeting import ENDPOINT_TUPLES, Met

SCHEMA = 1
PROTOCOL = 1
MAX_ANSWER = 2 * 2**20
MAX_MET = 2 * 2**20
"""Of what was met from a host: what is kept of it at all, as JSON, is no more than twice that."""
MAX_STORED = 4 * MAX_ANSWER + 2 * MAX_MET  # an answer, escaped, with what was asked, remembered and met


class Failure(NamedTuple):
    """The rung of the login on which it broke, and why, in one line."""

    rung: str
    reason: str


class Login(NamedTuple):
    """Seconds that each rung of the login took, in order; and where it broke, if it did."""

    rungs: dict[str, float]
    failed: Failure | None
    address: str | None = None
    """The host's own, where it was connected to directly: for `--addresses-from` of a later run."""

    @property
    def seconds(self) -> float:
        """The login in all, without the probes' own time."""
        return sum(seconds for rung, seconds in self.rungs.items() if rung not in {"command", "answer"})


class Facts(NamedTuple):
    """What a host says of itself, whatever it is asked."""

    python: str
    boot_id: str | None
    uid: int
    time: float
    uptime: float | None
    kernel: str
    machine: str


class Cost(NamedTuple):
    """What the host was made to pay: CPU seconds with children, peak memory in bytes, seconds from start to end."""

    cpu_seconds: float
    max_rss_bytes: int
    wall_seconds: float


class Measured(NamedTuple):
    """One probe's part of an answer: a reading of a version, or the error that kept it from one."""

    version: int
    reading: dict[str, Any] | None = None
    error: str | None = None
    seconds: float = 0.0


class Answer(NamedTuple):
    """A host's answer, its readings still unread."""

    protocol: int
    host: Facts
    window: float
    cost: Cost
    probes: dict[str, Measured]


class Previous(NamedTuple):
    """The rare-event counters of an earlier run on this host, which travel inside the new snapshot.

    It is the oldest run within a day, or the last one if that was longer ago.
    """

    at: str | None = None
    seconds_ago: float | None = None
    """How long before this snapshot."""
    boot_id: str | None = None
    counters: dict[str, dict[str, int]] = {}  # noqa: RUF012 -- never changed: a NamedTuple's default

    def counter(self, subject: str, name: str) -> int | None:
        """The counter's value at that run; None without such a run since this boot."""
        return self.counters.get(subject, {}).get(name)


NOTHING_BEFORE = Previous()


class Stored(NamedTuple):
    """The form of a snapshot file."""

    schema: int
    host: str
    at: str
    link: str
    login: Login
    asked: dict[str, Any]
    answer: Answer | None
    previous: Previous = NOTHING_BEFORE
    exchanges: Exchanges = NO_EXCHANGES
    met: Met | None = None


@dataclass(frozen=True)
class Snapshot:
    """The requests and readings of one host in one run."""

    host: str
    at: str
    link: str
    login: Login
    asked: Mapping[str, Any]
    answer: Answer | None
    previous: Previous = NOTHING_BEFORE
    exchanges: Exchanges = NO_EXCHANGES
    met: Met | None = None
    """What its clients meet where TLS is served, if that was asked for."""

    def facts(self) -> Facts:
        """What the host says of itself; raises NotMeasured when it said nothing."""
        return self._answered().host

    def times(self) -> list[Exchange]:
        """The exchanges of time with the host, at least one; raises NotMeasured with the reason."""
        self._answered()
        return self.exchanges.used()

    def meeting(self) -> Met:
        """What was met from this host where TLS is served; raises NotMeasured with the reason."""
        self._answered()
        if self.met is None:
            raise NotMeasured("nothing was met from this host in this run")
        if self.met.error and not any(self.met.seen):
            raise NotMeasured(f"nothing was met from this host: {self.met.error}")
        return self.met

    def reading(self, subject: str) -> Any:
        """What the probe `subject` measured, as its own typed reading; raises NotMeasured with the reason."""
        answer = self._answered()
        if subject not in self.asked["probes"]:
            raise NotMeasured(f"{subject} was not asked in this run")
        measured = answer.probes.get(subject)
        if measured is None:
            raise NotMeasured(f"the host left {subject} out of its answer")
        if measured.error is not None or measured.reading is None:
            raise NotMeasured(f"the {subject} probe broke off: {measured.error or 'no reading'}")
        if subject not in self._readings:
            self._readings[subject] = _typed(subject, measured)
        return self._readings[subject]

    @cached_property
    def _readings(self) -> dict[str, Any]:
        """Each is validated once, however many checks judge by it."""
        return {}

    @cached_property
    def understood(self) -> dict[tuple[object, ...], Any]:
        """What judging has made of it, by what that is: once for many checks, and gone with the snapshot."""
        return {}

    def _answered(self) -> Answer:
        if self.login.failed:
            raise NotMeasured(f"unreachable: {self.login.failed.rung}: {self.login.failed.reason}")
        if self.answer is None:
            raise NotMeasured("the host was asked nothing")
        return self.answer

    def counters(self) -> dict[str, dict[str, int]]:
        """The rare-event counters of every probe that has some, for the host's next run."""
        if self.answer is None:
            return {}
        return {
            subject: counters
            for subject, measured in self.answer.probes.items()
            if measured.reading and (counters := measured.reading.get("counters"))
        }

    def of_the_same_boot(self, other: Snapshot) -> bool:
        """Whether counters since boot may be compared."""
        if self.answer is None or other.answer is None:
            return False
        boot_id = self.answer.host.boot_id
        return boot_id is not None and boot_id == other.answer.host.boot_id

    def remembering(self, last: Snapshot | None) -> Snapshot:
        """This snapshot, with the counters of `last` if they are of the same boot."""
        if last is None or self.answer is None or not self.of_the_same_boot(last):
            return self
        ago = (datetime.fromisoformat(self.at) - datetime.fromisoformat(last.at)).total_seconds()
        previous = Previous(last.at, ago, self.answer.host.boot_id, last.counters())
        return replace(self, previous=previous)

    def to_bytes(self) -> bytes:
        """The snapshot as a document; `from_bytes` is its inverse."""
        said = (self.login, dict(self.asked), self.answer, self.previous, self.exchanges, self.met)
        stored = Stored(SCHEMA, self.host, self.at, self.link, *said)
        return json.dumps(plain(stored), allow_nan=False).encode("ascii")


def make_ready(subjects: Iterable[str]) -> None:
    """Make what validates answers, and readings of `subjects`: it would be made when the first one is there."""
    form_of(Answer)
    for subject in subjects:
        _reading_of(subject)


def answer_from(data: bytes) -> Answer:
    """A host's answer, validated but for its readings; raises AnswerError saying what is wrong with it."""
    if len(data) > MAX_ANSWER:
        raise AnswerError(f"more than {MAX_ANSWER // 2**20} MiB")
    answer: Answer = validated(Answer, strict_json(data), "the answer")
    if answer.protocol != PROTOCOL:
        raise AnswerError(f"protocol {answer.protocol}, not {PROTOCOL}")
    return answer


def from_bytes(data: bytes) -> Snapshot:
    """The snapshot that `to_bytes` wrote; raises AnswerError."""
    return from_document(strict_json(data))


def from_document(document: Any) -> Snapshot:
    """The same, from the value of its JSON; raises AnswerError."""
    if isinstance(document, dict) and document.get("met"):
        document["met"] = with_tuples(document["met"], ENDPOINT_TUPLES)
    stored: Stored = validated(Stored, document, "the snapshot")
    if stored.schema != SCHEMA:
        raise AnswerError(f"schema {stored.schema}, not {SCHEMA}")
    return Snapshot(*stored[1:])


def load(path: Path) -> Snapshot:
    """A stored snapshot; raises ReplayError that names the file."""
    try:
        return from_bytes(unpacked(path, MAX_STORED))
    except AnswerError as error:
        raise ReplayError.at(str(path), str(error)) from error


def packed(snapshot: Snapshot) -> bytes:
    """The content of a snapshot file."""
    return gzip.compress(snapshot.to_bytes(), compresslevel=5, mtime=0)


@cache
def _reading_of(subject: str) -> tuple[int, type, frozenset[str]]:
    module = importlib.import_module(f"shipworthy.probes.{subject}")
    form_of(module.READING)
    return module.VERSION, module.READING, frozenset(getattr(module, "SIGNED", ()))


def _refuse_impossible(value: Any, signed: frozenset[str], field: str) -> None:
    """What no probe of ours measures: less than 0, but in fields that a probe calls SIGNED, or a share over 100 %.

    Such a value would pass every limit on its other side.
    """
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        for name, part in zip(value._fields, value, strict=True):
            _refuse_impossible(part, signed, name)
    elif isinstance(value, list | tuple):
        for part in value:
            _refuse_impossible(part, signed, field)
    elif isinstance(value, dict):
        for part in value.values():
            _refuse_impossible(part, signed, field)
    elif isinstance(value, int | float):
        if value < 0 and field not in signed:
            raise AnswerError(f"{field}: {value} is less than 0")
        if value > 100 and field.endswith("percent"):
            raise AnswerError(f"{field}: {value} is more than 100 %")


def _typed(subject: str, measured: Measured) -> Any:
    version, kind, signed = _reading_of(subject)
    if measured.version != version:
        raise NotMeasured(f"measured by version {measured.version} of the {subject} probe; this is version {version}")
    try:
        reading = validated(kind, measured.reading, subject)
        _refuse_impossible(reading, signed, "")
    except AnswerError as error:
        raise NotMeasured(f"the {subject} probe's reading is not one: {error}") from error
    return reading


def plain(value: Any) -> Any:
    """For JSON: named tuples as mappings, all the way down."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(part) for name, part in value._asdict().items()}
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value
