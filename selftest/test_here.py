"""What is measured from here: where measuring itself fails, why is told; what was met is kept, and read back."""

from __future__ import annotations

import base64
import gzip
import json
import time
from pathlib import Path
from typing import Any, NoReturn

import pytest

from selftest.vantage import tls_servers
from shipworthy import collect, here
from shipworthy.errors import NotMeasured, ReplayError
from shipworthy.here import Here, Measuring, Wanted, all_endpoints, each_question, load
from shipworthy.probes import certificates
from shipworthy.probes.dns import Question, Request
from shipworthy.vantage import meeting
from shipworthy.vantage.authority import Authority
from shipworthy.vantage.meeting import Endpoint, Met, Seen, Store, Tried

LOOPBACK = "127.0.0.1"
SEEN = Seen(
    LOOPBACK, "ipv4", "tls", "", 0.01, "TLSv1.3", chain=["AA=="], tried=[Tried("TLSv1", None, "not spoken here")]
)
MET = Met([Endpoint(LOOPBACK, 443, alpn=("h2",))], [[SEEN]], {"": Store("/etc/ssl/cert.pem", 1, ["AA=="], "")}, [])


def stored(path: Path, what: Here) -> Path:
    path.write_bytes(what.packed())
    return path


def test_a_look_up_that_fails_tells_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> NoReturn:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(collect, "measure", broken)
    found = Measuring(Wanted(Request(), None)).result()
    assert found.error == "internal error: OSError: [Errno 24] Too many open files"
    with pytest.raises(NotMeasured, match="Too many open files"):
        found.looking()
    with pytest.raises(NotMeasured, match="Too many open files"):
        found.meeting()


def test_where_nothing_was_met_that_is_said() -> None:
    with pytest.raises(NotMeasured, match="no certificate was looked at from here in this run"):
        Here().meeting()


def test_what_is_served_is_met_and_read_back_as_it_was(tmp_path: Path) -> None:
    with tls_servers.serving(tls_servers.tls(tls_servers.context())) as port:
        wanted = meeting.Wanted(
            [Endpoint(LOOPBACK, port, "example.com", versions=meeting.VERSIONS)], ["ipv4"], 5.0, [""]
        )
        found = Measuring(Wanted(endpoints=wanted)).result()
    ((seen,),) = found.meeting().seen
    leaf, issuing = tls_servers.made().leaf, tls_servers.made().issuing
    assert [base64.b64decode(der) for der in seen.chain] == [leaf.der, issuing.der]
    assert [tried.version for tried in seen.tried if tried.taken] == ["TLSv1.2", "TLSv1.3"]
    again = load(stored(tmp_path / "here.json.gz", found))
    assert again == found
    assert again.meeting().at(wanted.endpoints[0]) == [seen]


def test_a_server_that_says_nothing_holds_nothing_up_when_nobody_wants_it_any_more() -> None:
    with tls_servers.serving(tls_servers.until_closed) as port:
        wanted = meeting.Wanted([Endpoint(LOOPBACK, port)], ["ipv4"], 10.0)
        measuring, begun = Measuring(Wanted(endpoints=wanted)), time.monotonic()
        measuring.close()
        measuring.result()
    assert time.monotonic() - begun < 5


def test_what_is_stored_comes_back(tmp_path: Path) -> None:
    assert load(stored(tmp_path / "here.json.gz", Here(met=MET))).met == MET


def test_a_file_of_before_there_were_certificates_is_read(tmp_path: Path) -> None:
    old = {"schema": 1, "authority": None, "error": "not now", "snapshot": None}
    path = tmp_path / "here.json.gz"
    path.write_bytes(gzip.compress(json.dumps(old).encode()))
    assert load(path) == Here(error="not now")


def damaged(**said: Any) -> dict[str, Any]:
    met = json.loads(gzip.decompress(Here(met=MET).packed()))["met"]
    return {**met, **said}


@pytest.mark.parametrize(
    ("met", "reason"),
    [
        (3, "met"),
        ({}, "met.endpoints: Field required"),
        (damaged(endpoints=[{"host": 3, "port": 443}]), "met.endpoints.0.host"),
        (damaged(seen=[]), "as much was seen as there are endpoints"),
        (damaged(stores=[]), "met.stores"),
        (damaged(endpoints=[{"host": "a", "port": 1, "alpn": "h2"}]), "met.endpoints.0.alpn"),
    ],
)
def test_a_damaged_one_is_refused(met: Any, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "here.json.gz"
    path.write_bytes(
        gzip.compress(json.dumps({"schema": 1, "authority": None, "error": "", "snapshot": None, "met": met}).encode())
    )
    with pytest.raises(ReplayError) as error:
        load(path)
    assert str(path) in str(error.value)
    assert reason in str(error.value)


def test_of_too_much_the_survey_goes_first_and_then_what_was_met(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    survey = Authority({}, {}, {f"n{number}.example": "nobody answers" for number in range(100)}, {})
    monkeypatch.setattr(here, "MAX_STORED", 2000)
    kept = load(stored(tmp_path / "one.json.gz", Here(surveyed=survey, met=MET)))
    assert (kept.surveyed, kept.met) == (None, MET)
    assert kept.error.startswith("the survey of the authoritative side was not kept: more than ")
    monkeypatch.setattr(here, "MAX_STORED", 300)
    kept = load(stored(tmp_path / "two.json.gz", Here(surveyed=survey, met=MET)))
    assert (kept.surveyed, kept.met) == (None, None)
    assert kept.error.startswith("what was met from here was not kept: more than ")


def test_hosts_policies_are_put_together_each_endpoint_once() -> None:
    one, two = Endpoint("a.example", 443), Endpoint("b.example", 443)
    first = meeting.Wanted([one], ["ipv4"], 2.0, [""])
    second = meeting.Wanted([one, two], ["ipv6", "ipv4"], 5.0, ["", "/ca.pem"], revocation=True)
    assert all_endpoints([first, second]) == meeting.Wanted(
        [one, two], ["ipv4", "ipv6"], 5.0, ["", "/ca.pem"], revocation=True
    )
    assert all_endpoints([]) is None


def test_caa_is_asked_for_once_by_all() -> None:
    one, two = (Question(name, "CAA", "00", None) for name in ("a.example", "b.example"))
    asking = [certificates.Request(questions=[one]), certificates.Request(questions=[two, one])]
    assert each_question(asking) == certificates.Request(questions=[one, two])
    assert each_question([]) is None
