"""Asking hosts, seen from outside of any run: what is kept, what is said of the way, and who comes too late."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from shipworthy import collect, links, snapshot
from shipworthy.collect import Collector, Request
from shipworthy.errors import NotMeasured
from shipworthy.inventory import Host
from shipworthy.links import Conversation, Deadlines, Link, close_all, open_link
from shipworthy.links.local import ProcessLink
from shipworthy.links.opened import current, within
from shipworthy.snapshot import Failure, Snapshot
from shipworthy.vantage import visiting
from shipworthy.vantage.meeting import Endpoint, Met, Seen, Wanted

HOSTS = tuple(Host(name, "localhost", connection="local") for name in ("one", "two"))
ONE, TWO = HOSTS


def test_a_kept_link_lives_until_the_collector_is_closed() -> None:
    collector = Collector(Deadlines(), keep=frozenset({"one"}))
    assert {snapshot.host for snapshot in collector.collect(dict.fromkeys(HOSTS, Request({})))} == {"one", "two"}
    assert (collector.kept("one"), collector.kept("two")) == (True, False)
    with collector.reserve("one") as (link,):
        assert link.run("echo ok", seconds=30).stdout == b"ok\n"
    collector.close()


def test_what_links_have_to_say_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def talkative(host: Host, deadlines: Deadlines, rungs: dict[str, float]) -> Iterator[Link]:
        with open_link(host, deadlines, rungs) as link:
            link.notices = ("of both", f"of {host.name}")
            yield link

    monkeypatch.setattr(links, "open_link", talkative)
    collector = Collector(Deadlines())
    assert len(list(collector.collect(dict.fromkeys(HOSTS, Request({}))))) == 2
    assert collector.notices() == ["of both", "of one", "of two"]
    collector.close()


def test_a_worker_that_is_late_opens_no_link_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = threading.Event(), threading.Event()
    measured = collect._measured

    def late(*arguments: Any) -> Any:
        begun.set()
        assert ended.wait(60)
        return measured(*arguments)

    monkeypatch.setattr(collect, "_measured", late)
    collector = Collector(Deadlines(), keep=frozenset({"one"}))
    with ThreadPoolExecutor(1) as elsewhere:
        snapshots = elsewhere.submit(lambda: list(collector.collect({ONE: Request({})})))
        assert begun.wait(60)
        collector.close()
        ended.set()
        (snapshot,) = snapshots.result(60)
    failed = snapshot.login.failed
    assert isinstance(failed, Failure) and failed.reason == "interrupted"
    assert not collector.kept("one")
    with open_link(TWO, Deadlines(), {}) as link:
        assert link.run("echo ok", seconds=30).stdout == b"ok\n", "what begins later is not its business"


WANTED = Wanted([Endpoint("127.0.0.1", 1), Endpoint("localhost", 1)], ["ipv4"])


def asked(host: Host, wanted: Wanted | None = WANTED) -> Snapshot:
    return snapshot.from_bytes(collect.measure(host, Request({"clock": {}}, wanted=wanted), Deadlines()))


def test_what_is_met_from_a_host_comes_with_its_answer() -> None:
    said = asked(ONE)
    assert said.reading("clock")
    assert [[(one.address, one.error) for one in said.meeting().at(each) or ()] for each in WANTED.endpoints] == [
        [("127.0.0.1", "refused")]
    ] * 2


def test_where_nothing_is_wanted_no_second_command_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[str] = []
    converse = ProcessLink.converse

    def counting(link: ProcessLink, line: str) -> AbstractContextManager[Conversation]:
        commands.append(line)
        return converse(link, line)

    monkeypatch.setattr(ProcessLink, "converse", counting)
    assert asked(ONE, None).met is None
    assert len(commands) == 1
    assert asked(ONE).met
    assert len(commands) == 3


def test_a_host_that_is_not_reached_has_met_nothing() -> None:
    assert asked(Host("gone", "/nonexistent", connection="chroot")).met is None


def broken(wanted: Wanted, place: object, deadline: float, given_up: threading.Event, most_bytes: int) -> Met:
    raise RuntimeError("a mistake")


def endless(wanted: Wanted, place: object, deadline: float, given_up: threading.Event, most_bytes: int) -> Met:
    seen = [Seen("192.0.2.1", "ipv4", "tls", "x" * 5_000_000, 0.1)]
    return Met(wanted.endpoints, [seen, []], {}, [])


@pytest.mark.parametrize(
    ("visit", "reason"),
    [
        (broken, "internal error: RuntimeError: a mistake"),
        (endless, "over 4 MiB were met: too much to be kept"),
    ],
)
def test_whatever_goes_wrong_there_the_answer_is_kept(
    visit: object, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visiting, "visit", visit)
    said = asked(ONE)
    assert said.reading("clock")
    with pytest.raises(NotMeasured, match=f"nothing was met from this host: {reason}"):
        said.meeting()
    assert said.met
    assert [said.met.at(each) for each in WANTED.endpoints] == [[], []]


def test_a_second_command_that_is_refused_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[str] = []
    converse = ProcessLink.converse

    def refusing(link: ProcessLink, line: str) -> AbstractContextManager[Conversation]:
        commands.append(line)
        return converse(link, line if len(commands) == 1 else "echo no more of this >&2; exit 3")

    monkeypatch.setattr(ProcessLink, "converse", refusing)
    said = asked(ONE)
    assert said.reading("clock")
    assert said.met
    assert said.met.error.startswith("session: the login shell ended with status 3 before the probe began: no more of")


def test_a_thread_stays_in_the_time_that_its_work_is_of() -> None:
    before = current()
    close_all()
    after = current()
    assert before is not after
    with within(before):
        assert current() is before
    assert current() is after
