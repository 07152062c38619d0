"""What is measured from here, the machine that runs the checks: names looked up here, who vouches for them, and TLS.

In: `Wanted`. Out: `Here`, when it is there: measured in threads, at the same time as the hosts are asked. Names are
looked up by the probes that hosts run too, over the link to this machine; the authoritative side is
`vantage/survey.py`, and what clients meet where TLS is served `vantage/visiting.py`.
Stored as `here.json.gz`, and read back to be judged again.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from shipworthy import collect
from shipworthy import snapshot as snapshots
from shipworthy.errors import AnswerError, NotMeasured, ReplayError
from shipworthy.inventory import Host
from shipworthy.links import Deadlines
from shipworthy.probes import certificates, dns, runtime
from shipworthy.snapshot import Snapshot, plain
from shipworthy.strict import strict_json, unpacked, validated, with_tuples
from shipworthy.vantage import meeting
from shipworthy.vantage.authority import Authority
from shipworthy.vantage.meeting import ENDPOINT_TUPLES, Met

SCHEMA = 1
MAX_STORED = 32 * 2**20
MAX_MET = 16 * 2**20
"""Of chains and staples, in base64."""
SURVEY_SECONDS = 8.0
LOOKUPS_SECONDS = 20.0
VISIT_SECONDS = 20.0
_MARGIN = 2.0
Each = TypeVar("Each")


class Names(NamedTuple):
    """The names whose authoritative side is surveyed."""

    types: dict[str, list[str]]
    """What is asked for, by name."""
    roots: list[str] | None
    """Addresses where the walk begins; None: the root servers of the Internet."""
    families: list[str]
    wait_seconds: float


class Wanted(NamedTuple):
    """What is to be measured from here."""

    lookups: dns.Request | None = None
    names: Names | None = None
    caa: certificates.Request | None = None
    endpoints: meeting.Wanted | None = None


class Stored(NamedTuple):
    """The form of `here.json.gz`, but for the snapshot in it."""

    schema: int
    authority: Authority | None
    error: str
    met: Met | None = None


@dataclass(frozen=True)
class Here:
    """What was measured from here."""

    snapshot: Snapshot | None = None
    """This machine, asked as a host is: what it looked up."""
    surveyed: Authority | None = None
    error: str = ""
    """Why something is missing that was wanted."""
    met: Met | None = None
    """Where TLS is served."""

    def looking(self) -> Snapshot:
        """This machine's snapshot; raises NotMeasured where nothing was looked up here."""
        if self.snapshot is None:
            raise NotMeasured(self.error or "nothing was looked up from here in this run")
        return self.snapshot

    @property
    def dns(self) -> dns.Dns:
        """The names that are looked up here; raises NotMeasured."""
        reading: dns.Dns = self.looking().reading("dns")
        return reading

    @property
    def authority(self) -> Authority:
        """The authoritative side of names; raises NotMeasured."""
        if self.surveyed is None:
            raise NotMeasured(self.error or "the authoritative side of names was not surveyed in this run")
        return self.surveyed

    def meeting(self) -> Met:
        """What was met where TLS is served; raises NotMeasured."""
        if self.met is None:
            raise NotMeasured(self.error or "no certificate was looked at from here in this run")
        return self.met

    @cached_property
    def understood(self) -> dict[tuple[object, ...], Any]:
        """What judging has made of it, by what that is: once for many checks."""
        return {}

    def packed(self) -> bytes:
        """The content of `here.json.gz`."""
        stored = Stored(SCHEMA, self.surveyed, self.error, self.met)
        document = {**plain(stored), "snapshot": self.snapshot and json.loads(self.snapshot.to_bytes())}
        data = json.dumps(document, allow_nan=False).encode("ascii")
        if len(data) <= MAX_STORED:
            return gzip.compress(data, compresslevel=5, mtime=0)
        too_much = f"was not kept: more than {MAX_STORED // 2**20} MiB"
        if self.surveyed is not None:
            return replace(self, surveyed=None, error=f"the survey of the authoritative side {too_much}").packed()
        return Here(self.snapshot, None, f"what was met from here {too_much}").packed()


def load(path: Path) -> Here:
    """What `packed` wrote; raises ReplayError that names the file."""
    try:
        return _from(strict_json(unpacked(path, MAX_STORED)))
    except AnswerError as error:
        raise ReplayError.at(str(path), str(error)) from error


def _from(document: Any) -> Here:
    said = document.pop("snapshot", None) if isinstance(document, dict) else None
    if isinstance(document, dict):
        document["met"] = with_tuples(document.get("met"), ENDPOINT_TUPLES)
    stored: Stored = validated(Stored, document, "what was measured from here")
    if stored.schema != SCHEMA:
        raise AnswerError(f"schema {stored.schema}, not {SCHEMA}")
    if stored.met and len(stored.met.seen) != len(stored.met.endpoints):
        raise AnswerError("met: as much was seen as there are endpoints, or it is no record")
    return Here(said and snapshots.from_document(said), stored.authority, stored.error, stored.met)


class Measuring:
    """What is being measured from here, since this was made."""

    def __init__(self, wanted: Wanted) -> None:
        self._given_up = threading.Event()
        self._snapshot: Snapshot | None = None
        self._authority: Authority | None = None
        self._met: Met | None = None
        self._errors: list[str] = []
        self._until = time.monotonic() + _MARGIN
        self._begun: list[threading.Thread] = []
        asked = {"dns": wanted.lookups, "certificates": wanted.caa}
        if probes := {subject: request for subject, request in asked.items() if request is not None}:
            runtime.bundle(probes)  # here: Python 3.11's parser is not safe in many threads at once
            self._begin(lambda: self._look_up(probes), LOOKUPS_SECONDS)
        if (names := wanted.names) is not None:
            self._begin(lambda: self._survey(names), SURVEY_SECONDS)
        if (endpoints := wanted.endpoints) is not None:
            self._begin(lambda: self._visit(endpoints), VISIT_SECONDS)

    def result(self) -> Here:
        """All of it, as soon as it is there; what does not end in time is left out."""
        for thread in self._begun:
            thread.join(max(0.0, self._until - time.monotonic()))
        late = any(thread.is_alive() for thread in self._begun)
        error = "; ".join(self._errors) or ("what is measured from here did not end in time" if late else "")
        return Here(self._snapshot, self._authority, error, self._met)

    def close(self) -> None:
        """Nobody wants it any more."""
        self._given_up.set()

    def _begin(self, work: Callable[[], object], seconds: float) -> None:
        self._until = max(self._until, time.monotonic() + seconds + _MARGIN)
        thread = threading.Thread(target=self._guarded, args=(work,), name="measured from here", daemon=True)
        self._begun.append(thread)
        thread.start()

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 -- a mistake of ours here is an error of these checks, and no more
            self._errors.append(f"internal error: {type(error).__name__}: {error}")

    def _look_up(self, probes: dict[str, Any]) -> None:
        host = Host("here", "localhost", connection="local")
        said = collect.measure(host, collect.Request(probes), Deadlines(whole=LOOKUPS_SECONDS))
        self._snapshot = snapshots.from_bytes(said)

    def _survey(self, names: Names) -> None:
        from shipworthy.vantage.survey import survey  # dnspython: only for those who ask for it

        self._authority = survey(
            names.types, names.roots, names.families, names.wait_seconds, SURVEY_SECONDS, self._given_up
        )

    def _visit(self, endpoints: meeting.Wanted) -> None:
        from shipworthy.probes.parts.trust_store import read_store
        from shipworthy.vantage import visiting  # pyOpenSSL: only for those who ask for it

        place = visiting.Here(read_store)
        self._met = visiting.visit(endpoints, place, VISIT_SECONDS, self._given_up, most_bytes=MAX_MET)


def together(requests: Sequence[dns.Request]) -> dns.Request | None:
    """One request for what several hosts' policies ask from here, each question once."""
    if not requests:
        return None
    questions: dict[tuple[object, ...], dns.Question] = {}
    samples: dict[str, int] = {}
    for request in requests:
        for one in request.questions:
            key = (one.name, one.type, *(one.servers or ()))
            most = max(one.samples, questions[key].samples if key in questions else 0)
            questions[key] = one._replace(samples=most)
        for name, count in request.libc_samples.items():
            samples[name] = max(count, samples.get(name, 0))
    return requests[0]._replace(
        names=list(dict.fromkeys(name for request in requests for name in request.names)),
        questions=list(questions.values()),
        libc_samples=samples,
        wait_seconds=max(request.wait_seconds for request in requests),
        budget=max(request.budget for request in requests),
    )


def each_question(requests: Sequence[certificates.Request]) -> certificates.Request | None:
    """One request for the CAA records that several hosts' policies ask for from here."""
    questions = _each_once(one for request in requests for one in request.questions)
    return certificates.Request(questions=questions) if questions else None


def all_endpoints(asked: Sequence[meeting.Wanted]) -> meeting.Wanted | None:
    """All that several hosts' policies want to be met from here, each once."""
    if not asked:
        return None
    return meeting.Wanted(
        endpoints=_each_once(endpoint for one in asked for endpoint in one.endpoints),
        families=_each_once(family for one in asked for family in one.families),
        wait=max(one.wait for one in asked),
        stores=_each_once(store for one in asked for store in one.stores),
        revocation=any(one.revocation for one in asked),
    )


def _each_once(values: Iterable[Each]) -> list[Each]:
    return list(dict.fromkeys(values))
