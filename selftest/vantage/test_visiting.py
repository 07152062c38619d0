"""One visit finds out all that was wanted from one place: in time, within its room, and whatever the others do."""

from __future__ import annotations

import base64
import hashlib
import socket
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Timer
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed448, mldsa, rsa
from cryptography.x509 import ocsp
from OpenSSL import SSL

from selftest.chains import authority, pki
from selftest.chains.authority import at_lists, at_responders
from selftest.vantage.http_servers import Answer, Responder, saying
from selftest.vantage.tls_servers import context, made, serving, tls, until_closed
from shipworthy.vantage import revocation
from shipworthy.vantage.meeting import Asked, Endpoint, Listed, Met, Seen, Store, Wanted
from shipworthy.vantage.ocsp import Ocsp, read
from shipworthy.vantage.visiting import Here, ReadStore, visit

HERE = "127.0.0.1"
WAIT = 1.0
NOW = datetime.now(UTC).replace(microsecond=0)
BEGIN, END = NOW - timedelta(days=1), NOW + timedelta(days=30)
SIGNS = pki.usage("key_cert_sign", "crl_sign")
ROOT = pki.root()
ROOMY = 2**24


def text(der: bytes) -> str:
    return base64.b64encode(der).decode("ascii")


def sha256(issued: pki.Issued) -> str:
    return hashlib.sha256(issued.der).hexdigest()


def store(*roots: pki.Issued) -> ReadStore:
    """A trust store that has what it is asked for, by name."""

    def has(path: str, issuers: Collection[bytes]) -> tuple[str, int, list[str], str]:
        found = [text(root.der) for root in roots if root.subject.public_bytes() in issuers]
        return path or "/etc/ssl/system.pem", len(roots), found, ""

    return has


def at(endpoints: Sequence[Endpoint], *stores: str, is_asked: bool = True, wait: float = WAIT) -> Wanted:
    return Wanted(list(endpoints), ["ipv4"], wait, list(stores), is_asked)


def visited(wanted: Wanted, roots: ReadStore | None = None, deadline: float = 10.0, most_bytes: int = ROOMY) -> Met:
    begun = time.monotonic()
    met = visit(wanted, Here(roots or store(ROOT)), deadline, Event(), most_bytes)
    assert time.monotonic() - begun < deadline + 0.2
    return met


def crl(by: pki.Issued, *revoked: pki.Issued) -> bytes:
    return authority.crl(by, *(authority.revoked(each, at=BEGIN) for each in revoked), begin=BEGIN, end=END)


def answering(*known: pki.Issued, issuer: pki.Issued) -> Answer:
    """A responder for some certificates, of which each is good."""

    def answer(question: bytes) -> bytes:
        serial = ocsp.load_der_ocsp_request(question).serial_number
        (one,) = (each for each in known if each.certificate.serial_number == serial)
        return authority.response(one, issuer, begin=BEGIN, end=END)

    return answer


def leaf(issuing: pki.Issued, *changes: pki.Change, **fields: Any) -> pki.Issued:
    return pki.leaf(issuing, *changes, **{"begin": BEGIN, "end": END} | fields)


def showing(leaf: pki.Issued, *beside: pki.Issued) -> SSL.Context:
    return context(leaf, [each.der for each in beside])


@contextmanager
def shown(*chains: tuple[pki.Issued, ...]) -> Iterator[list[Endpoint]]:
    """A server for each chain."""
    with serving_all(chains) as ports:
        yield [Endpoint(HERE, port, pki.NAME) for port in ports]


@contextmanager
def serving_all(chains: Sequence[tuple[pki.Issued, ...]]) -> Iterator[list[int]]:
    if not chains:
        yield []
        return
    with serving(tls(showing(*chains[0]))) as port, serving_all(chains[1:]) as ports:
        yield [port, *ports]


LISTED = Listed("CN=issuing", BEGIN.timestamp(), END.timestamp(), True, None, "")


def test_all_that_clients_meet() -> None:
    """The leaf's responder and list, the intermediate's list; the root's own is nobody's to ask."""
    responder = Responder()
    with serving(responder) as port:
        at_port = f"http://{HERE}:{port}"
        root = pki.root(at_lists(f"{at_port}/none.crl"))
        issuing = pki.intermediate(root, SIGNS, at_lists(f"{at_port}/root.crl"))
        site = leaf(issuing, at_lists(f"{at_port}/issuing.crl"), at_responders(f"{at_port}/ocsp"))
        responder.answers = {
            "/root.crl": crl(root, issuing),
            "/issuing.crl": crl(issuing),
            "/ocsp": answering(site, issuer=issuing),
        }
        with shown((site, issuing, root)) as (endpoint,):
            met = visited(at([endpoint], ""), store(root, pki.root(subject="CN=elsewhere")))
    assert met.endpoints == [endpoint]
    assert met.error == ""
    (only,) = met.at(endpoint) or []
    assert (only.error, only.chain) == ("", [text(each.der) for each in (site, issuing, root)])
    assert met.stores == {"": Store("/etc/ssl/system.pem", 2, [text(root.der)], "")}
    by_url = {each.url.removeprefix(at_port): each for each in met.asked}
    assert by_url["/root.crl"].listed == LISTED._replace(issuer="CN=root", revoked_at=BEGIN.timestamp())
    assert by_url["/issuing.crl"] == Asked(sha256(site), "crl", f"{at_port}/issuing.crl", "", "", LISTED)
    response = base64.b64decode(by_url["/ocsp"].response)
    assert read(response, site.der, issuing.der) == Ocsp("good", BEGIN.timestamp(), END.timestamp(), None, "")
    assert set(by_url) == {"/root.crl", "/issuing.crl", "/ocsp"}
    assert len(responder.asked) == 3


def test_what_is_not_wanted_is_not_asked() -> None:
    responder = Responder()
    with serving(responder) as port:
        site = leaf(ROOT, at_lists(f"http://{HERE}:{port}/a"))
        with shown((site,)) as endpoints:
            met = visited(at(endpoints, is_asked=False))
            assert (met.stores, met.asked) == ({}, [])
            met = visited(at(endpoints, "one.pem", "two.pem", is_asked=False))
            assert [each.path for each in met.stores.values()] == ["one.pem", "two.pem"]
    assert not responder.asked


@pytest.mark.parametrize("why", ["unknown root", "badly signed", "expired", "not yet valid", "no store"])
def test_urls_that_nobody_vouches_for_are_not_followed(why: str) -> None:
    """Whoever can be met could else have any address asked, from the host's place."""
    responder = Responder()
    with serving(responder) as port:
        names = at_lists(f"http://{HERE}:{port}/a"), at_responders(f"http://{HERE}:{port}/b")
        issuer = {"unknown root": pki.root(subject="CN=other"), "badly signed": pki.root()}.get(why, ROOT)
        span = {"expired": (-9, -1), "not yet valid": (1, 9)}.get(why, (-1, 9))
        begin, end = (NOW + timedelta(days=days) for days in span)
        with shown((leaf(issuer, *names, begin=begin, end=end), issuer)) as endpoints:
            met = visited(at(endpoints, *([] if why == "no store" else [""])))
        assert [each.error for (each,) in met.seen] == [""]
        assert met.asked == []
        assert not responder.asked
        with shown((leaf(ROOT, *names),)) as endpoints:  # that it can be otherwise
            assert len(visited(at(endpoints, "")).asked) == 2
    assert len(responder.asked) == 2


def test_other_server_names_chains_are_asked_about_too() -> None:
    responder = Responder({"/": crl(ROOT)})
    with serving(responder) as port:
        usual = showing(made().leaf)
        other = showing(leaf(ROOT, at_lists(f"http://{HERE}:{port}/")))
        usual.set_tlsext_servername_callback(
            lambda connection: connection.set_context(other) if connection.get_servername() == b"b.example" else None
        )
        with serving(tls(usual)) as at_port:
            endpoint = Endpoint(HERE, at_port, pki.NAME, also_named=("b.example",))
            met = visited(at([endpoint], ""))
    assert [each.listed for each in met.asked] == [LISTED._replace(issuer="CN=root")]


def test_a_list_is_got_once_and_a_responder_asked_for_each() -> None:
    responder = Responder()
    with serving(responder) as port:
        urls = at_lists(f"http://{HERE}:{port}/crl"), at_responders(f"http://{HERE}:{port}/ocsp")
        first, second = (leaf(ROOT, *urls) for _ in range(2))
        responder.answers = {"/crl": crl(ROOT, second), "/ocsp": answering(first, second, issuer=ROOT)}
        with shown((first,), (second,), (first,)) as endpoints:
            met = visited(at(endpoints, ""))
    assert sorted((method, path) for method, path, _ in responder.asked) == [("GET", "/crl"), *[("POST", "/ocsp")] * 2]
    revoked = {each.certificate: each.listed.revoked_at for each in met.asked if each.listed}
    assert revoked == {sha256(first): None, sha256(second): BEGIN.timestamp()}
    assert [read(base64.b64decode(each.response), one.der, ROOT.der)[0] for one in (first, second) for each in met.asked
            if each.kind == "ocsp" and each.certificate == sha256(one)] == ["good", "good"]  # fmt: skip


def test_only_so_many_urls_are_asked_and_those_that_can_be_first() -> None:
    responder = Responder()
    with serving(responder) as port:
        urls = [f"http://{HERE}:{port}/{number}" for number in range(5)]
        site = leaf(
            ROOT, at_lists("ldap://dc.example.com/a", *urls[:3]), at_responders("https://a.example/", *urls[3:])
        )
        other = leaf(ROOT, at_lists("ldap://dc.example.com/a", urls[0]))
        with shown((site,), (other,)) as endpoints:
            met = visited(at(endpoints, ""))
    said = {(each.certificate == sha256(site), each.url, each.error) for each in met.asked}
    assert said == {
        (True, urls[3], "HTTP status 404"),
        (True, urls[0], "HTTP status 404"),
        (True, urls[4], "HTTP status 404"),
        (False, urls[0], "HTTP status 404"),
        (False, "ldap://dc.example.com/a", "not http: not asked"),
    }
    assert len(responder.asked) == 3


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (saying(b"HTTP/1.1 200 OK\r\n\r\n", b"<html>"), {"is no OCSP response", "is no CRL in DER: "}),
        (saying(b"HTTP/1.1 200 OK\r\n\r\n"), {"is no OCSP response", "is no CRL in DER: "}),
        (saying(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(10_000_000)), {"an answer of more than "}),
        (saying(b"HTTP/1.1 200 OK\r\n\r\n", forever=b"0", pause=0.05), {"no answer within 1 s"}),
        (saying(b"HTTP/1.1 302 OK\r\nLocation: http://169.254.169.254/\r\n\r\n"), {"HTTP status 302: redirects"}),
        (until_closed, {"no answer within 1 s"}),
    ],
)
def test_what_hostile_issuers_say_is_words(said: Any, words: set[str]) -> None:
    with serving(said) as port:
        site = leaf(ROOT, at_lists(f"http://{HERE}:{port}/crl"), at_responders(f"http://{HERE}:{port}/ocsp"))
        with shown((site,)) as endpoints:
            met = visited(at(endpoints, ""))
    assert len(met.asked) == 2
    for each in met.asked:
        assert (each.response, each.listed) == ("", None)
        assert any(each.error.startswith(word) for word in words), each


def test_all_answers_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "MOST_BYTES", 2**20)
    with serving(saying(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(700_000))) as port:
        sites = [(leaf(ROOT, at_lists(f"http://{HERE}:{port}/{number}")),) for number in range(3)]
        with shown(*sites) as endpoints:
            met = visited(at(endpoints, ""))
    assert "not read to its end: more than 1 MiB in all" in [each.error for each in met.asked]


def test_the_time_of_all_is_kept_when_nobody_answers() -> None:
    """Endpoints, a store, and more lists than are asked at once: each hangs, and the whole ends in its time."""
    read_on = Event()

    def hangs(path: str, _issuers: Collection[bytes]) -> tuple[str, int, list[str], str]:
        if path == "hangs.pem":
            read_on.wait(20)
        return path, 1, [text(ROOT.der)], ""

    with serving(until_closed) as silent:
        urls = [[f"http://{HERE}:{silent}/{site}/{number}" for number in range(3)] for site in range(9)]
        with shown(*((leaf(ROOT, at_lists(*three)),) for three in urls)) as endpoints:
            begun = time.monotonic()
            wanted = at([*endpoints, Endpoint(HERE, silent)], "", "hangs.pem", wait=30)
            met = visited(wanted, hangs, deadline=3)
    assert time.monotonic() - begun < 3.5
    read_on.set()
    assert [each.error for (each,) in met.seen[:-1]] == [""] * 9
    assert met.seen[-1][0].error.startswith("no answer within ")
    assert met.stores["hangs.pem"] == Store("hangs.pem", 0, [], "not read: the time was up")
    assert len(met.asked) == 27
    assert {each.error.partition(" within")[0] for each in met.asked} <= {"not asked: the time was up", "no answer"}


def test_given_up_ends_it_at_once() -> None:
    given_up = Event()
    with serving(until_closed) as silent:
        endpoints = [Endpoint(HERE, silent, str(number)) for number in range(150)]
        timer = Timer(0.3, given_up.set)
        timer.start()
        begun = time.monotonic()
        met = visit(at(endpoints, "", wait=8), Here(store()), 20, given_up, ROOMY)
    assert 0.25 < time.monotonic() - begun < 1.0
    assert {each.error for (each,) in met.seen} == {"not met: the time was up"}
    assert met.error == "given up before all was found out"


def test_given_up_ends_asking_at_once() -> None:
    given_up = Event()
    heard = Event()

    def hears(stream: socket.socket) -> None:
        heard.set()
        given_up.set()
        until_closed(stream)

    with serving(hears) as silent, shown((leaf(ROOT, at_lists(f"http://{HERE}:{silent}/")),)) as endpoints:
        begun = time.monotonic()
        met = visit(at(endpoints, "", wait=8), Here(store(ROOT)), 20, given_up, ROOMY)
    assert heard.is_set()
    assert time.monotonic() - begun < 1.5
    assert [each.error for each in met.asked] == ["not asked: the time was up"]


def test_what_does_not_fit_is_told() -> None:
    chain = (made().leaf, made().issuing)
    size = sum(len(text(each.der)) for each in chain)
    with serving(tls(context())) as port:
        endpoints = [Endpoint(HERE, port, pki.NAME, also_named=names) for names in ((), (), ("b.example",))]
        endpoints[1] = endpoints[1]._replace(server_name="c.example")
        met = visited(at(endpoints, is_asked=False), most_bytes=2 * size + 10)
    kept, also_kept, (dropped,) = met.seen
    assert [len(each.chain) for each in (*kept, *also_kept, dropped)] == [2, 2, 0]
    full = f"not kept: more than {(2 * size + 10) / 2**20:g} MiB in all"
    assert (dropped.error, dropped.others[0].error) == (full, full)
    assert met.error == f"1 {full}"


def test_the_same_under_another_name_takes_no_more_room() -> None:
    size = sum(len(text(each.der)) for each in (made().leaf, made().issuing))
    with serving(tls(context())) as port:
        endpoint = Endpoint(HERE, port, pki.NAME, also_named=("", "b.example"))
        met = visited(at([endpoint], is_asked=False), most_bytes=size)
    ((seen,),) = met.seen
    assert [len(chain) for chain in (seen.chain, *(each.chain for each in seen.others))] == [2, 2, 2, 0]
    assert not met.error


def test_a_second_certificate_needs_room_too() -> None:
    second = pki.leaf(made().issuing, key=rsa.generate_private_key(65537, 2048))
    first = sum(len(text(each.der)) for each in (made().leaf, made().issuing))
    more = len(text(second.der))
    with serving(tls(context(second=second))) as port:
        wanted = at([Endpoint(HERE, port, pki.NAME)], is_asked=False)
        kept, dropped = (visited(wanted, most_bytes=first + room).seen[0][0] for room in (more, more - 1))
    assert [(len(each.chain), each.key, each.error) for each in kept.others] == [(2, "RSA", "")]
    (none,) = dropped.others
    assert (none.chain, none.key, none.error) == ([], "RSA", dropped.error)
    assert dropped.error.startswith("not kept: more than ")


def test_roots_and_responses_that_do_not_fit_are_told() -> None:
    responder = Responder()
    with serving(responder) as port:
        site = leaf(ROOT, at_responders(f"http://{HERE}:{port}/ocsp"))
        responder.answers["/ocsp"] = answering(site, issuer=ROOT)
        with shown((site,)) as endpoints:
            met = visited(at(endpoints, ""), most_bytes=len(text(site.der)) + len(text(ROOT.der)) + 10)
            assert [(each.response, each.error[:8]) for each in met.asked] == [("", "not kept")]
            met = visited(at(endpoints, ""), most_bytes=len(text(site.der)) + 10)
            assert [(each.roots, each.error[:8]) for each in met.stores.values()] == [([], "not kept")]
            assert met.asked == []


@pytest.mark.parametrize(
    ("error", "words"),
    [(OSError(5, "Input/output error"), "Input/output error"), (TimeoutError(), "not read: the time was up")],
)
def test_a_store_that_cannot_be_read_is_told(error: OSError, words: str) -> None:
    def fails(_path: str, _issuers: Collection[bytes]) -> tuple[str, int, list[str], str]:
        raise error

    with shown((leaf(ROOT),)) as endpoints:
        met = visited(at(endpoints, "a.pem"), fails)
    assert met.stores == {"a.pem": Store("a.pem", 0, [], words)}
    assert met.seen[0][0].chain


def test_a_pinned_leaf_is_sought_in_the_store() -> None:
    pinned = leaf(pki.root(subject="CN=unknown"))
    with shown((pinned,)) as endpoints:
        met = visited(at(endpoints, ""), store(pinned))
    assert met.stores[""].roots == [text(pinned.der)]


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_strange_certificates_beside_stop_nothing() -> None:
    """Keys that few know, serial numbers that nobody may have, names with NUL and raw UTF-8, and many of them."""
    top = pki.root(subject="CN=strange", key=mldsa.MLDSA65PrivateKey.generate())
    names = [x509.DNSName._init_without_validation(name) for name in ("a.example\0.b.example", "😜.example")]
    strange = [
        pki.intermediate(top, key=ed448.Ed448PrivateKey.generate()),
        pki.patched(pki.leaf(ROOT, serial=0x7F << 56 | 5), ROOT.key, b"\x02\x08\x7f", b"\x02\x08\xff"),
        pki.leaf(ROOT, pki.san(*names), subject="CN=a\x1b[31mb"),
    ]
    responder = Responder({"/": crl(ROOT)})
    with serving(responder) as port:
        site = leaf(ROOT, at_lists(f"http://{HERE}:{port}/"))
        with shown((site, *strange * 20)) as endpoints:
            met = visited(at(endpoints, ""), store(ROOT, top))
    assert [len(each.chain) for (each,) in met.seen] == [61]
    assert [each.listed for each in met.asked] == [LISTED._replace(issuer="CN=root")]
    assert met.stores[""].roots == [text(ROOT.der), text(top.der)]


def test_certificates_that_nobody_can_read_stop_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As OpenSSL takes some that cryptography does not: a negative serial number, among others."""
    seen = Seen(HERE, "ipv4", "tls", "", 0.1, chain=[text(b"\x30\x03\x02\x01\x01"), text(ROOT.der)])
    monkeypatch.setattr("shipworthy.vantage.visiting.meet", lambda endpoints, *_: {one: [seen] for one in endpoints})
    met = visited(at([Endpoint(HERE, 1)], ""))
    assert met.stores[""].roots == [text(ROOT.der)]
    assert met.asked == []
