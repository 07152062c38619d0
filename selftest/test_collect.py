"""Asking hosts, seen from outside of any run: what is kept, what is said of the way, and who comes too late."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from shipworthy import collect, links
from shipworthy.collect import Collector, Request
from shipworthy.inventory import Host
from shipworthy.links import Deadlines, Link, close_all, open_link
from shipworthy.links.opened import current, within
from shipworthy.snapshot import Failure

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


def test_a_thread_stays_in_the_time_that_its_work_is_of() -> None:
    before = current()
    close_all()
    after = current()
    assert before is not after
    with within(before):
        assert current() is before
    assert current() is after
