"""One exchange gives a body, or one line of words: in time and within its size, whatever comes."""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Iterator
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selftest.vantage.http_servers import Responder, saying
from selftest.vantage.tls_servers import PLACE, Handle, serving, until_closed
from shipworthy.vantage.connecting import Unreached
from shipworthy.vantage.http import Url, fetch, url_of
from shipworthy.vantage.meeting import Place, Resolved, Store, Stream

HERE = "127.0.0.1"
WAIT = 0.4
MOST = 10_000
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def got(url: str, question: bytes = b"", *, wait: float = WAIT, place: Place = PLACE) -> bytes | str:
    """The body, or the words."""
    begun = time.monotonic()
    try:
        return fetch(place, url_of(url), question, begun + wait, Event(), MOST, lambda _size: None)
    except Unreached as unreached:
        return str(unreached)
    finally:
        assert time.monotonic() - begun < wait + 0.3


def answered(handle: Handle, question: bytes = b"", *, wait: float = WAIT) -> bytes | str:
    with serving(handle) as port:
        return got(f"http://{HERE}:{port}/", question, wait=wait)


def test_a_list_is_got_and_a_question_is_posted() -> None:
    responder = Responder({"/a?b=%20c": b"list", "/ocsp": lambda body: body[::-1]})
    with serving(responder) as port:
        assert got(f"http://{HERE}:{port}/a?b=%20c#part") == b"list"
        assert got(f"HTTP://{HERE}:{port}/ocsp", b"question") == b"noitseuq"
    assert responder.asked == [("GET", "/a?b=%20c", b""), ("POST", "/ocsp", b"question")]
    assert [head["host"] for head in responder.heads] == [f"{HERE}:{port}"] * 2
    assert responder.heads[1]["content-type"] == "application/ocsp-request"


@pytest.mark.parametrize(
    "said",
    [
        OK + b"Content-Length: 4\r\n\r\nbody",
        OK + b"\r\nbody",
        b"HTTP/1.0 200 OK\r\n\r\nbody",
        CHUNKED + b"1\r\nb\r\n3;a=b\r\nody\r\n0\r\nTrailer: 1\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"\r\nbody",
    ],
)
def test_every_form_of_an_answer(said: bytes) -> None:
    assert answered(saying(said)) == b"body"
    assert answered(saying(*(said[at : at + 1] for at in range(len(said))))) == b"body"


def test_it_is_not_waited_longer_than_for_the_answer() -> None:
    def keeps_open(stream: socket.socket) -> None:
        saying(OK + b"Content-Length: 4\r\n\r\nbody")(stream)
        until_closed(stream)

    begun = time.monotonic()
    assert answered(keeps_open, wait=5) == b"body"
    assert time.monotonic() - begun < 1


SILENT = f"no answer within {WAIT:g} s"


@pytest.mark.parametrize(
    ("handle", "words"),
    [
        (until_closed, SILENT),
        (saying(), "closed without an answer"),
        (saying(b"\0" * 100), "speaks no HTTP: BadStatusLine"),
        (saying(b"SSH-2.0-x\r\n"), "speaks no HTTP: BadStatusLine"),
        (saying(b"HTTP/1.1 abc\r\n\r\n"), "speaks no HTTP: BadStatusLine"),
        (saying(b"x" * 70_000), "goes on and on"),
        (saying(OK, b"A: b\r\n" * 200), "speaks no HTTP: HTTPException"),
        (saying(OK, forever=b"A" * 60_000 + b"\r\n"), "goes on and on"),
        (saying(forever=b"HTTP/1.1 100 Continue\r\n\r\n"), "goes on and on"),
        (saying(OK, forever=b"A", pause=0.05), SILENT),
        (saying(OK + b"\r\n", forever=b"A", pause=0.05), SILENT),
        (saying(OK + b"\r\n", forever=b"A" * 1000), f"an answer of more than {MOST} bytes"),
        (saying(OK + b"\r\n" + b"A" * 10_000_000), f"an answer of more than {MOST} bytes"),
        (saying(OK + b"Content-Length: 10000000\r\n\r\n"), f"an answer of 10000000 bytes, more than {MOST}"),
        (saying(OK + b"Content-Length: 5\r\n\r\nbody"), "closed before its answer was whole"),
        (saying(CHUNKED + b"5\r\nbody"), "closed before its answer was whole"),
        (saying(CHUNKED + b"zz\r\nbody"), "closed before its answer was whole"),
        (saying(CHUNKED + b"-5\r\nbody"), "speaks no HTTP: ValueError"),
        (saying(CHUNKED, forever=b"ffffffffffff\r\n" + b"A" * 1000), f"an answer of more than {MOST} bytes"),
        (saying(CHUNKED, forever=b"-1\r\n" + b"A" * 1000), "goes on and on"),
        (saying(CHUNKED, forever=b"1;" + b"x" * 20_000 + b"\r\nA\r\n"), "goes on and on"),
        (saying(CHUNKED + b"f" * 60_000 + b"\r\n", forever=b"A" * 1000), f"an answer of more than {MOST} bytes"),
        (saying(CHUNKED + b"0\r\n", forever=b"A: b\r\n" * 100), "goes on and on"),
        (saying(b"HTTP/1.1 404 Not Found\r\n\r\n"), "HTTP status 404"),
        (
            saying(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/\r\n\r\n"),
            "HTTP status 302: redirects are not followed",
        ),
    ],
)
def test_what_hostile_servers_say_is_words(handle: Handle, words: str) -> None:
    assert answered(handle) == words


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([b"", b"HTTP/1.1 ", OK, CHUNKED, CHUNKED + b"3\r\n"]), st.binary(max_size=200))
def test_bytes_that_mean_nothing(before: bytes, rest: bytes) -> None:
    said = answered(saying(before + rest), wait=2)
    assert isinstance(said, bytes) or said.isprintable()


def test_who_is_not_there_is_told() -> None:
    with socket.create_server((HERE, 0)) as listener:
        port = listener.getsockname()[1]
    assert got(f"http://{HERE}:{port}/") == "refused"
    assert got("http://no-such-name.invalid/", wait=5).startswith("no-such-name.invalid: no")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://crl.example.com/a", "not http: not asked"),
        ("ldap://dc.example.com/CN=a?crl", "not http: not asked"),
        ("file:///etc/shadow", "not http: not asked"),
        ("", "not http: not asked"),
        ("http://", "no URL: its host is no name"),
        ("http://a..b/", "no URL: its host is no name"),
        ("http://0x7f000001.1/", "no URL: its host is no name"),
        ("http://me:password@example.com/", "a URL with a password: not asked"),
        ("http://example.com:99999/", "no URL"),
        ("http://[::1/", "no URL"),
        ("http://example.com/a\r\nX: y", "no URL: too long, or with characters that no URL has"),
        ("http://example.com/a b", "no URL: too long, or with characters that no URL has"),
        ("http://exämple.com/", "no URL: too long, or with characters that no URL has"),
        ("http://example.com/" + "a" * 3000, "no URL: too long, or with characters that no URL has"),
    ],
)
def test_a_url_that_is_not_asked(url: str, words: str) -> None:
    assert got(url) == words


@given(st.text(max_size=60).map(lambda text: f"http://{text}") | st.text(max_size=20))
def test_any_text_is_a_url_or_none(text: str) -> None:
    try:
        url = url_of(text)
    except Unreached as unreached:
        assert str(unreached).isprintable()  # noqa: PT017
        return
    assert 0 <= url.port < 65536
    assert f"{url.authority}{url.target}".isascii()
    assert f"{url.authority}{url.target}".isprintable()
    assert " " not in url.target


def test_how_a_host_is_told() -> None:
    assert url_of("http://[2001:DB8::1]:8080") == Url("2001:db8::1", 8080, "/")
    assert url_of("http://[2001:db8::1]:8080").authority == "[2001:db8::1]:8080"
    assert url_of("http://WWW.example.com?a") == Url("www.example.com", 80, "/?a")
    assert url_of("http://WWW.example.com?a").authority == "www.example.com"


NOBODYS = "link-local, multicast or metadata: not asked"


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "224.0.0.1",
        "[ff02::1]",
        "0.0.0.0",
        "[::]",
        "[::ffff:0.0.0.0]",
    ],
)
def test_addresses_that_are_not_asked(host: str) -> None:
    assert str(got(f"http://{host}/latest/meta-data/")).endswith(NOBODYS)


class Elsewhere:
    """A place in which names have the addresses that are told."""

    def __init__(self, **addresses: list[str]) -> None:
        self.addresses = addresses
        self.tried: list[str] = []

    def resolve(self, asked: Collection[tuple[str, str]], _until: float, _given_up: Event) -> Iterator[Resolved]:
        for host, family in asked:
            found = self.addresses.get(family, [])
            yield Resolved(host, family, found, "" if found else "no address", 0.0)

    def connected(self, address: str, port: int, until: float) -> Stream:
        self.tried.append(address)
        return PLACE.connected(address, port, until)

    def store(self, path: str, _issuers: Collection[bytes], _until: float) -> Store:
        return Store(path, 0, [], "none")


def test_names_are_looked_up_and_connections_made_from_the_place() -> None:
    """A family that refuses is passed over, and so is an address that is nobody's."""
    place = Elsewhere(ipv4=["169.254.169.254", "127.0.0.9"], ipv6=["::1"])
    with serving(Responder({"/": b"list"}), "::1") as port:
        assert got(f"http://crl.example.com:{port}/", place=place) == b"list"
    assert place.tried == ["127.0.0.9", "::1"]


def test_a_name_of_metadata_is_not_asked() -> None:
    place = Elsewhere(ipv4=["169.254.169.254"], ipv6=["fd00:ec2::254"])
    assert got("http://crl.example.com/", place=place) == f"crl.example.com: {NOBODYS}"
    assert got("http://crl.example.com/", place=Elsewhere()) == "crl.example.com: no address"
    assert not place.tried


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Responder({"/": b"proxied"})
    with serving(proxy) as port, serving(Responder({"/": b"list"})) as right:
        monkeypatch.setenv("http_proxy", f"http://{HERE}:{port}")
        assert got(f"http://{HERE}:{right}/") == b"list"
    assert not proxy.asked


def test_given_up_is_over() -> None:
    given_up = Event()
    given_up.set()
    with pytest.raises(Unreached, match="not asked"):
        fetch(PLACE, Url(HERE, 1, "/"), b"", time.monotonic() + 5, given_up, MOST, lambda _size: None)
