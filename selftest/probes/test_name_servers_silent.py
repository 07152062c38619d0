"""When nobody is waited for any longer: no name server lives, or a name of a living one is slow."""

from __future__ import annotations

import time

import dns.message
import dns.rcode
import pytest

from selftest.probes.name_server import OverUdp, kind_of, name_server, silent, stays_silent, well
from shipworthy.dns_messages import query
from shipworthy.probes.parts.dns_answers import Budget, Question, Said
from shipworthy.probes.parts.name_servers import ask

WAIT = 0.5
ALIVE = query(".", "NS").hex()


def questions(count: int = 1) -> list[Question]:
    names = [f"www{number}.example.org" for number in range(count)]
    return [Question(name, "A", query(name, "A").hex()) for name in names]


def errors(said: list[Said]) -> list[str]:
    return [each.error for each in said]


def test_when_nobody_answers_anything_all_are_given_up_after_half_of_the_wait() -> None:
    with name_server(silent, stays_silent) as one, name_server(silent, stays_silent, "127.0.0.2", one.port) as other:
        servers = [one.address, other.address, "127.0.0.3"]
        begin = time.monotonic()
        found = ask(questions(count=30), servers, 2.0, Budget(1000), one.port, ALIVE)
        assert 1.0 <= time.monotonic() - begin < 1.5
        assert found.silent
        for server in found.servers[:2]:
            assert errors(server.udp) == [
                *["no answer within 1 s"] * 10,
                *["not asked: the server answered none of 10"] * 20,
            ]
            assert errors(server.tcp) == ["no answer within 1 s"]
        assert set(errors(found.servers[2].udp + found.servers[2].tcp)) == {"refused"}
        assert other.over_udp[0][2:] == query(".", "NS")[2:]


def refused(question: bytes) -> list[bytes]:
    """As servers say that this is not for everybody."""
    reply = dns.message.make_response(dns.message.from_wire(question))
    reply.set_rcode(dns.rcode.REFUSED)
    return [reply.to_wire()]


def test_a_slow_name_of_a_living_server_has_its_whole_wait() -> None:
    heard: list[bytes] = []

    def slow(question: bytes) -> list[bytes]:
        if kind_of(question) == "NS":
            return refused(question)
        heard.append(question)
        return well(question) if len(heard) > 1 else []  # and that is after half of the wait

    with name_server(slow, stays_silent) as server:
        found = ask(questions(), [server.address], WAIT, Budget(1000), server.port, ALIVE)
        (one,) = found.servers
        assert (errors(one.udp), found.silent) == ([""], False)
        assert WAIT / 2 <= one.udp[0].seconds < WAIT
        assert errors(one.tcp) == ["no answer within 0.5 s"]


def rubbish(_: bytes) -> list[bytes]:
    return [b"x"]


@pytest.mark.parametrize("other", [well, rubbish])
def test_while_another_answers_a_silent_one_has_its_whole_wait(other: OverUdp) -> None:
    with name_server(other) as one, name_server(silent, stays_silent, "127.0.0.2", one.port) as dead:
        found = ask(questions(), [one.address, dead.address], WAIT, Budget(1000), one.port, ALIVE)
        assert errors(found.servers[1].udp + found.servers[1].tcp) == ["no answer within 0.5 s"] * 2
        assert not found.silent


def test_who_answers_over_tcp_alone_is_not_given_up() -> None:
    with name_server(silent) as server:
        found = ask(questions(), [server.address], WAIT, Budget(1000), server.port, ALIVE)
        assert (errors(found.servers[0].udp), found.silent) == (["no answer within 0.5 s"], False)
        assert errors(found.servers[0].tcp) == [""]
