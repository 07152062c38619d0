"""A conversation is woken by another thread: whatever it waits for, its `read` returns at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from selftest.links.servers import PATIENT, SOON, Lab
from shipworthy.inventory import Host
from shipworthy.links import Conversation, Link, open_link

FAR = 3600.0


@pytest.fixture(params=["local", "paramiko", "openssh"])
def link(request: pytest.FixtureRequest) -> Iterator[Link]:
    if request.param == "local":
        host = Host("here", "localhost", connection="local")
    else:
        lab: Lab = request.getfixturevalue("lab")
        host = lab.host() if request.param == "paramiko" else lab.openssh()
    with open_link(host, PATIENT, {}) as link:
        yield link


def read(talk: Conversation) -> tuple[tuple[bytes, bytes], float]:
    begun = time.monotonic()
    return talk.read(begun + FAR), time.monotonic() - begun


@pytest.mark.parametrize("command", ["cat", "exec >&- 2>&-; sleep 100"], ids=["silent", "its streams are closed"])
def test_a_read_that_waits_returns(link: Link, command: str) -> None:
    with link.converse(command) as talk:
        threading.Timer(0.2, talk.wake).start()
        said, seconds = read(talk)
        assert (said, talk.finished) == ((b"", b""), False)
        assert 0.1 < seconds < SOON


def test_a_read_that_comes_later_returns_too_and_once(link: Link) -> None:
    with link.converse("cat") as talk:
        talk.wake()
        talk.wake()
        assert read(talk)[1] < SOON
        begun = time.monotonic()
        assert talk.read(begun + 0.3) == (b"", b"")
        assert time.monotonic() - begun >= 0.3, "it was woken for one read, and not for all that come"


def test_nothing_is_lost_by_it(link: Link) -> None:
    sent = bytes(range(256)) * 4000
    stop = threading.Event()
    with link.converse("cat") as talk:

        def wakes() -> None:
            while not stop.is_set():
                talk.wake()

        thread = threading.Thread(target=wakes)
        thread.start()
        came, until = b"", time.monotonic() + SOON
        for start in range(0, len(sent), 2**15):
            talk.write(sent[start : start + 2**15])
            came += talk.read(0.0)[0]
        talk.close_input()
        while not talk.finished:
            assert time.monotonic() < until
            came += talk.read(until)[0]
        stop.set()
        thread.join()
    assert came == sent


def test_after_the_end_it_wakes_nobody(link: Link) -> None:
    with link.converse("true") as talk:
        while not talk.finished:
            talk.read(time.monotonic() + SOON)
    talk.wake()
