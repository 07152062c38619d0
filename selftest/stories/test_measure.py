"""Asking hosts is a function of plain values: it runs wherever it is sent; reservations never wait in a ring."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest

from selftest.stories.user import ROOT
from shipworthy.collect import Collector, Request, measure
from shipworthy.inventory import Host
from shipworthy.links import Deadlines
from shipworthy.probes import memory
from shipworthy.snapshot import from_bytes

HOSTS = [Host(name, "localhost", connection="local") for name in ("a", "b", "c")]
REQUEST = Request({"memory": memory.Request(rates=False, processes=False, oom=False, fork=False)})
DEADLINES = Deadlines(whole=20.0)
MANY_TIMES = 200
HEAVY = {"pytest", "_pytest", "ansible", "testinfra", "ruamel", "ruamel.yaml", "jinja2", "pytest_html"}

EXECUTORS: dict[str, Callable[[], Executor]] = {
    "threads": partial(ThreadPoolExecutor, 2),
    "processes": partial(ProcessPoolExecutor, 2, get_context("spawn")),
}


@pytest.mark.parametrize("name", EXECUTORS)
def test_it_measures_on_any_executor(name: str) -> None:
    with EXECUTORS[name]() as executor:
        answers = [executor.submit(measure, host, REQUEST, DEADLINES) for host in HOSTS]
        snapshots = [from_bytes(answer.result(timeout=60)) for answer in answers]
    assert [snapshot.host for snapshot in snapshots] == ["a", "b", "c"]
    assert all(snapshot.reading("memory").ram.total_bytes > 0 for snapshot in snapshots)


@pytest.mark.parametrize("value", [*HOSTS[:1], REQUEST, DEADLINES], ids=["host", "request", "deadlines"])
def test_what_it_takes_can_be_sent(value: object) -> None:
    assert pickle.loads(pickle.dumps(value)) == value


def test_a_worker_needs_neither_pytest_nor_ansible() -> None:
    script = f"import sys, shipworthy.collect; print(*({HEAVY!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_what_goes_wrong_with_a_host_is_data() -> None:
    gone = Host("gone", "127.0.0.1", port=1)
    snapshot = from_bytes(measure(gone, REQUEST, DEADLINES))
    assert snapshot.login.failed is not None
    assert snapshot.login.failed.rung == "connect"


def test_overlapping_reservations_never_wait_in_a_ring() -> None:
    """Two threads want the same two links, named in opposite order, over and over."""
    collector = Collector(DEADLINES, keep=frozenset("abc"))
    list(collector.collect(dict.fromkeys(HOSTS, REQUEST)))
    inside: list[str] = []
    met = []

    def reserve(*names: str) -> None:
        for _ in range(MANY_TIMES):
            with collector.reserve(*names) as links:
                inside.append(threading.current_thread().name)
                met.append(len(inside))
                assert len(links) == len(names)
                inside.pop()

    threads = [
        threading.Thread(target=reserve, args=names, daemon=True)
        for names in (("a", "b"), ("b", "a"), ("c", "b", "a"), ("b", "c"))
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
        assert not any(thread.is_alive() for thread in threads)
        assert set(met) == {1}, "every pair here shares b: never are two inside"
    finally:
        collector.close()


def test_a_link_is_given_in_the_order_that_was_asked() -> None:
    collector = Collector(DEADLINES, keep=frozenset("ab"))
    list(collector.collect(dict.fromkeys(HOSTS[:2], REQUEST)))
    try:
        with collector.reserve("a", "b") as (a, b):
            pass
        with collector.reserve("b", "a") as again:
            assert again == (b, a)
    finally:
        collector.close()


def test_only_what_is_wanted_is_kept() -> None:
    collector = Collector(DEADLINES, keep=frozenset("a"))
    list(collector.collect(dict.fromkeys(HOSTS, REQUEST)))
    try:
        assert [collector.kept(host.name) for host in HOSTS] == [True, False, False]
    finally:
        collector.close()
