"""Questions for a host's time, as they are asked here: of an honest host, and of all the others."""

from __future__ import annotations

import time
from typing import Any

import pytest

from shipworthy.asking import Asker
from shipworthy.errors import LinkError, NotMeasured
from shipworthy.exchange import NO_EXCHANGES, Exchange, Exchanges

DOCUMENT = b'{"protocol": 1}\n'


class Talk:
    """A conversation of which only the questions are kept."""

    def __init__(self, error: LinkError | None = None) -> None:
        self.sent: list[bytes] = []
        self._error = error

    def write(self, data: bytes, _until: float | None = None) -> None:
        if self._error:
            raise self._error
        self.sent.append(data)


def asks(asker: Asker, talk: Talk) -> bytes:
    """The question that is sent as soon as its time has come."""
    assert asker.next < time.monotonic() + 1
    before = len(talk.sent)
    while len(talk.sent) == before:
        asker.ask(talk)  # type: ignore[arg-type]
    return talk.sent[-1]


def ready(agreed: int = 8) -> tuple[Asker, Talk]:
    """An asker whose host has said that it hears questions, and was asked the first one."""
    asker, talk = Asker(agreed), Talk()
    assert asker.hear(b"at 0 1795558000.000000\n") == b""
    assert asks(asker, talk) == b"1\n"
    return asker, talk


def test_one_question_at_a_time_until_all_are_answered() -> None:
    asker, talk = ready(3)
    for number in (1, 2, 3):
        before = len(talk.sent)
        asker.ask(talk)  # type: ignore[arg-type]
        assert len(talk.sent) == before, "the last one is not answered yet"
        assert asker.hear(b"at %d 1795558000.250000\n" % number) == b""
        if number < 3:
            asks(asker, talk)
    assert asker.next == float("inf")
    assert asker.hear(DOCUMENT) == DOCUMENT
    agreed, rounds, fault = asker.exchanges
    assert (agreed, len(rounds), fault) == (3, 3, None)
    assert all(each.host == 1795558000.25 and each.sent <= each.received for each in rounds)
    assert abs(rounds[0].sent - time.time()) < 60


def test_answers_come_in_any_pieces() -> None:
    asker, _ = ready()
    said = b"at 1 1795558000.250000\n" + DOCUMENT
    assert b"".join(asker.hear(said[place : place + 1]) for place in range(len(said))) == DOCUMENT
    assert len(asker.exchanges.rounds) == 1


def test_a_clock_that_is_set_meanwhile_is_not_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    asker, _ = ready()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    asker.hear(b"at 1 1795558000.250000\n")
    (exchange,) = asker.exchanges.rounds
    assert 0 <= exchange.received - exchange.sent < 60


def test_a_host_that_says_nothing_of_it_is_asked_nothing() -> None:
    asker, talk = Asker(8), Talk()
    asker.ask(talk)  # type: ignore[arg-type]
    assert asker.hear(DOCUMENT) == DOCUMENT
    assert (talk.sent, asker.exchanges) == ([], Exchanges(8))


def test_where_nothing_is_agreed_every_byte_is_the_documents() -> None:
    asker = Asker(0)
    assert asker.hear(b"at 0 1.000000\n") == b"at 0 1.000000\n"
    assert asker.exchanges == NO_EXCHANGES


HOSTILE: dict[str, bytes] = {
    "not a number": b"at 1 nan\n",
    "infinity": b"at 1 inf\n",
    "an exponent": b"at 1 1e999\n",
    "negative": b"at 1 -5.000000\n",
    "too many digits": b"at 1 179555800012.000000\n",
    "nothing": b"at \n",
    "other digits": "at 1 ١٢.000000\n".encode(),
    "twice": b"at 1 5.000000\nat 1 5.000000\n",
    "in advance": b"at 2 5.000000\n",
    "ready twice": b"at 0 5.000000\n",
    "control characters": b"at \x1b[2J\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_wrong_answer_ends_the_asking_and_loses_nothing_else(name: str) -> None:
    asker, talk = ready()
    assert asker.hear(HOSTILE[name]) == b""
    assert asker.next == float("inf")
    asker.ask(talk)  # type: ignore[arg-type]
    assert talk.sent == [b"1\n"]
    assert asker.hear(b"at 1 5.000000\n" + DOCUMENT) == DOCUMENT
    fault = asker.exchanges.fault
    assert fault and fault.endswith("answers nothing that was asked") and fault.isascii() and fault.isprintable()
    with pytest.raises(NotMeasured, match="not to be used: "):
        asker.exchanges.used()


def test_an_answer_before_the_question_is_none() -> None:
    asker = Asker(8)
    asker.hear(b"at 0 5.000000\nat 1 5.000000\n")
    assert asker.exchanges.fault


@pytest.mark.parametrize(
    "flood", [b"at 1 5.000000\n" * 100_000, b"at " + b"1" * 1_000_000, b"a" * 1_000_000, b"at\n"], ids=len
)
def test_what_goes_on_for_ever_is_handed_on_and_bounded_elsewhere(flood: bytes) -> None:
    asker, _ = ready()
    begun = time.monotonic()
    assert len(asker.hear(flood)) >= len(flood) - 100 * len(b"at 1 5.000000\n")
    assert time.monotonic() - begun < 5
    assert asker.hear(b"at 1 5.000000\n") == b"at 1 5.000000\n"


def test_a_host_that_takes_no_question() -> None:
    asker = Asker(8)
    asker.hear(b"at 0 5.000000\n")
    deaf: Any = Talk(LinkError("command", "the command did not read its standard input for 1 s"))
    asker.ask(deaf)
    assert asker.exchanges.fault == "the command did not read its standard input for 1 s"
    assert asker.hear(DOCUMENT) == DOCUMENT


@pytest.mark.parametrize(
    ("exchanges", "reason"),
    [
        (NO_EXCHANGES, "the host was not asked for its time in this run"),
        (Exchanges(8), "the host answered none of 8 questions for its time"),
        (
            Exchanges(8, [Exchange(1.0, 2.0, 3.0)], "it lies"),
            "what the host says of its time is not to be used: it lies",
        ),
    ],
)
def test_what_cannot_be_used_says_why(exchanges: Exchanges, reason: str) -> None:
    with pytest.raises(NotMeasured) as caught:
        exchanges.used()
    assert str(caught.value) == reason
