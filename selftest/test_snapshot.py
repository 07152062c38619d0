"""Snapshots: what hosts say is bounded and validated; what is stored comes back the same."""

from __future__ import annotations

import gzip
import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy import snapshot
from shipworthy.errors import AnswerError, NotMeasured, ReplayError
from shipworthy.exchange import Exchange, Exchanges
from shipworthy.inventory import Redaction
from shipworthy.snapshot import Failure, Login, Snapshot, answer_from
from shipworthy.vantage.meeting import VERSIONS, Asked, Endpoint, Listed, Met, Seen, Served, Store, Tried

FACTS = {
    "python": "3.11.2",
    "boot_id": "b00t",
    "uid": 0,
    "time": 1795420000.5,
    "uptime": 60.0,
    "kernel": "6.1.0",
    "machine": "x86_64",
}


def document(**changed: Any) -> dict[str, Any]:
    return {
        "protocol": 1,
        "host": FACTS,
        "window": 1.0,
        "cost": {"cpu_seconds": 0.1, "max_rss_bytes": 1, "wall_seconds": 1.2},
        "probes": {"memory": {"version": 1, "reading": {"counters": {"oom_kill": 3}}, "seconds": 0.1}},
    } | changed


def taken(answer: dict[str, Any] | None = None, failed: Failure | None = None, boot: str = "b00t") -> Snapshot:
    said = None if failed else answer_from(json.dumps(answer or document(host={**FACTS, "boot_id": boot})).encode())
    asked = {"probes": {"memory": {"rates": True}}, "window": 1.0}
    return Snapshot("db1", "2026-11-23T05:31:07.000Z", "paramiko", Login({"connect": 0.01}, failed), asked, said)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON: Expecting value at character 0 of 0"),
        (b"Last login: today\n", "not JSON: Expecting value at character 0 of 18"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b'{"window": NaN}', "NaN is not a number"),
        (b'{"window": -Infinity}', "-Infinity is not a number"),
        (b'{"window": 1e999}', "1e999 is not a finite number"),
        (b'{"a": 1, "a": 2}', "duplicate key 'a'"),
        (b"[" * 60 + b"]" * 60, "nested more than 50 deep"),
        (b"[" * 1_000_000, "nested more than 50 deep"),
        (b"9" * 5000, "not JSON: Exceeds the limit"),
        (b" " * (2 * 2**20 + 1), "more than 2 MiB"),
        (b"[]", "0: Field required"),
        (b"null", "the answer: Input should be"),
        (b"{}", "protocol: Field required"),
        (json.dumps(document(protocol=2)).encode(), "protocol 2, not 1"),
        (json.dumps(document(extra=1)).encode(), "extra: Extra inputs are not permitted"),
        (json.dumps(document(window="1")).encode(), "window: Input should be a valid number"),
        (
            json.dumps(document(host={**FACTS, "kernel": "\ud800"})).encode(),
            "a lone surrogate, which no probe of ours sends",
        ),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else "",
)
def test_an_answer_that_is_none_is_refused_in_words(data: bytes, reason: str) -> None:
    with pytest.raises(AnswerError) as caught:
        answer_from(data)
    assert str(caught.value).startswith(reason)


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(repr).map(str.encode)
)
def test_no_answer_breaks_the_suite(data: bytes) -> None:
    with pytest.raises(AnswerError):
        answer_from(data)


def test_a_snapshot_comes_back_the_same(tmp_path: Path) -> None:
    before = taken()
    path = tmp_path / "db1.json.gz"
    path.write_bytes(snapshot.packed(before))
    assert snapshot.load(path) == before


def test_exchanges_of_time_come_back_the_same() -> None:
    before = replace(taken(), exchanges=Exchanges(8, [Exchange(1795420000.125, 1795420000.25, 1795420000.1)]))
    assert snapshot.from_bytes(before.to_bytes()) == before
    assert before.remembering(taken()).exchanges == before.exchanges
    assert before.times() == before.exchanges.rounds


def test_a_snapshot_of_before_there_were_exchanges_is_read() -> None:
    stored = json.loads(taken().to_bytes())
    del stored["exchanges"]
    before = snapshot.from_bytes(json.dumps(stored).encode())
    with pytest.raises(NotMeasured, match="the host was not asked for its time in this run"):
        before.times()


def met(error: str = "", seen: list[Seen] | None = None) -> Met:
    store = Store("/etc/ssl/certs/ca-certificates.crt", 144, ["MAA="], "")
    endpoint = Endpoint("www.example.org", 443, "www.example.org", alpn=("h2",), versions=VERSIONS, also_named=("",))
    asked = [Asked("00", "crl", "http://crl.example/", "", listed=Listed("CN=x", 1.0, None, True, None, ""))]
    return Met([endpoint], [seen or []], {"": store}, asked, error)


SEEN = Seen("192.0.2.1", "ipv4", "tls", "", 0.1, chain=["MAA="], tried=[Tried("TLSv1", None, "?")])


def test_what_was_met_comes_back_the_same() -> None:
    before = replace(taken(), met=met("", [SEEN._replace(others=[Served("", ["MAA="], "")])]))
    assert snapshot.from_bytes(before.to_bytes()) == before
    assert before.meeting() is before.met
    assert before.remembering(taken()).met is before.met


def test_a_snapshot_of_before_kinds_of_keys_were_told_apart_is_read() -> None:
    other = Served("", ["MAA="], "")
    before = replace(taken(), met=met("", [SEEN._replace(others=[other])]))
    stored = json.loads(before.to_bytes())
    (kept,) = stored["met"]["seen"][0][0]["others"]
    assert kept.pop("key") == ""
    assert snapshot.from_bytes(json.dumps(stored).encode()) == before


def test_a_snapshot_of_before_anything_was_met_is_read() -> None:
    stored = json.loads(taken().to_bytes())
    del stored["met"]
    before = snapshot.from_bytes(json.dumps(stored).encode())
    with pytest.raises(NotMeasured, match="nothing was met from this host in this run"):
        before.meeting()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"failed": Failure("connect", "refused")}, "unreachable: connect: refused"),
        ({"met": met("session: the server refuses a session")}, "nothing was met from this host: session: the server"),
    ],
)
def test_why_nothing_was_met_is_said(changed: dict[str, Any], reason: str) -> None:
    said = taken(failed=changed.get("failed"))
    with pytest.raises(NotMeasured, match=reason):
        replace(said, met=changed.get("met")).meeting()


def test_what_is_missing_of_what_was_met_does_not_hide_the_rest() -> None:
    assert replace(taken(), met=met("not kept: more than 2 MiB in all", [SEEN])).meeting().seen == [[SEEN]]


def test_a_secret_in_what_was_met_is_starred() -> None:
    hidden = Redaction(["hunter2"]).data(json.loads(replace(taken(), met=met("no hunter2 here", [SEEN])).to_bytes()))
    after = snapshot.from_bytes(json.dumps(hidden).encode()).met
    assert after and after.error == "no ******** here"


@pytest.mark.parametrize("spoiled", [{"met": [1]}, {"met": {"endpoints": [], "seen": [], "stores": {}, "asked": "x"}}])
def test_what_was_met_is_validated(spoiled: dict[str, Any]) -> None:
    stored = json.loads(taken().to_bytes())
    with pytest.raises(AnswerError, match=r"met\.(asked|0): "):
        snapshot.from_document({**stored, **spoiled})


def test_whoever_was_not_reached_has_told_no_time() -> None:
    with pytest.raises(NotMeasured, match="unreachable: connect: refused"):
        taken(failed=Failure("connect", "refused")).times()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[:-20], "truncated"),
        (lambda _: b"plain", "not a gzip file, or a damaged one"),
        (lambda _: gzip.compress(b"0" * 2**26), "more than 12 MiB when unpacked"),
        (lambda _: gzip.compress(b"{}"), "schema: Field required"),
        (lambda data: data[:40] + b"\0\0\0" + data[43:], "not a gzip file, or a damaged one"),
    ],
    ids=["truncated", "no gzip", "bomb", "not ours", "damaged"],
)
def test_a_stored_snapshot_that_is_none_names_its_file(tmp_path: Path, spoil: Any, reason: str) -> None:
    path = tmp_path / "db1.json.gz"
    path.write_bytes(spoil(snapshot.packed(taken())))
    with pytest.raises(ReplayError) as caught:
        snapshot.load(path)
    assert str(caught.value).startswith(f"{path}: {reason}")


def test_a_missing_snapshot_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match=r"db1\.json\.gz: No such file"):
        snapshot.load(tmp_path / "db1.json.gz")


@pytest.mark.parametrize(
    ("snap", "subject", "reason"),
    [
        (taken(failed=Failure("connect", "refused")), "memory", "unreachable: connect: refused"),
        (taken(), "cpu", "cpu was not asked in this run"),
        (taken(document(probes={})), "memory", "the host left memory out of its answer"),
        (
            taken(document(probes={"memory": {"version": 1, "error": "ParseError: x (memory.py:8)"}})),
            "memory",
            "the memory probe broke off: ParseError: x (memory.py:8)",
        ),
        (
            taken(document(probes={"memory": {"version": 99, "reading": {}}})),
            "memory",
            "measured by version 99 of the memory probe; this is version 1",
        ),
        (taken(), "memory", "the memory probe's reading is not one: "),
    ],
    ids=["unreachable", "not asked", "left out", "probe broke", "other version", "no reading"],
)
def test_a_reading_that_is_not_there_says_why(snap: Snapshot, subject: str, reason: str) -> None:
    with pytest.raises(NotMeasured) as caught:
        snap.reading(subject)
    assert str(caught.value).startswith(reason)


class Area(NamedTuple):
    priority: int
    used_bytes: int
    full_percent: float | None


class Areas(NamedTuple):
    areas: list[Area]
    counters: dict[str, int]


@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        (Areas([Area(-2, 0, None)], {"a": 0}), ""),
        (Areas([Area(1, 5, 100.0), Area(1, -5, 1.0)], {}), "used_bytes: -5 is less than 0"),
        (Areas([Area(1, 5, 100.5)], {}), "full_percent: 100.5 is more than 100 %"),
        (Areas([], {"oom_kill": -1}), "counters: -1 is less than 0"),
    ],
    ids=["possible", "less than nothing", "more than all", "a counter below 0"],
)
def test_what_no_probe_measures_is_refused(reading: Areas, reason: str) -> None:
    with pytest.raises(AnswerError, match=reason) if reason else nullcontext():
        snapshot._refuse_impossible(reading, frozenset({"priority"}), "")


def test_counters_of_the_last_run_travel_inside() -> None:
    now = taken().remembering(taken())
    assert now.previous.counter("memory", "oom_kill") == 3
    assert snapshot.from_bytes(now.to_bytes()).previous == now.previous


@pytest.mark.parametrize("last", [None, taken(boot="other"), taken(failed=Failure("connect", "refused"))])
def test_counters_of_another_boot_are_no_comparison(last: Snapshot | None) -> None:
    assert taken().remembering(last).previous.counter("memory", "oom_kill") is None
