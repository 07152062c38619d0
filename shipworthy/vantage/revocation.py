"""What issuers say of revocation: the OCSP responders and CRLs that certificates name, asked from a place.

In: chains as they were served, and what trust stores have. Out: `Asked`, by certificate and URL. URLs are a stranger's
text, so none is followed but those of certificates that a trusted root vouches for at the present time: of the leaf and
its intermediates, not of the root. Asked is over http alone, at addresses that are no cloud's metadata, without
redirects, and without the proxies of an environment; each list once, however many certificates name it.
OCSP responses are kept as they are, to be judged later; lists are large, and reduced to what they say.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from datetime import datetime
from threading import Event, Lock
from typing import NamedTuple

from cryptography import x509

from shipworthy.vantage import ocsp
from shipworthy.vantage.chain.certificate import Certificate
from shipworthy.vantage.chain.vouching import vouched
from shipworthy.vantage.connecting import Unreached
from shipworthy.vantage.crew import Crew
from shipworthy.vantage.crl import RevocationList, urls_of
from shipworthy.vantage.http import fetch, url_of
from shipworthy.vantage.meeting import Asked, Listed, Place

AT_ONCE = 16
URLS = 3
"""Of one certificate, that are asked."""
MOST_LIST_BYTES = 4 * 1024 * 1024
MOST_BYTES = 16 * 1024 * 1024
"""Of all answers together."""
_LATE = "not asked: the time was up"


class Issued(NamedTuple):
    """A certificate, and the one that vouches for it."""

    certificate: Certificate
    issuer: Certificate

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal."""
        return hashlib.sha256(self.certificate.der).hexdigest()


def issued(
    chains: Iterable[Sequence[bytes]], stores: Sequence[Sequence[bytes]], at: datetime, until: float, given_up: Event
) -> list[Issued]:
    """Every certificate of chains that a store vouches for at that time, each once; what is found by `until`."""
    found: dict[bytes, Issued] = {}
    for served, roots in itertools.product(dict.fromkeys(map(tuple, chains)), stores):
        if time.monotonic() >= until or given_up.is_set():
            break
        for certificate, issuer in itertools.pairwise(vouched(served, roots, at) or ()):
            found.setdefault(certificate.der, Issued(certificate, issuer))
    return list(found.values())


def ask(certificates: Iterable[Issued], place: Place, wait: float, until: float, given_up: Event) -> list[Asked]:
    """Ask about each, all at once, each URL for `wait` seconds at most; done by the monotonic time `until`."""
    asking = _Asking(place, wait, until, given_up)
    try:
        begun = [(one, kind, url, asking.put(one, kind, url)) for one in certificates for kind, url in _named(one)]
        return [asking.told(*each) for each in begun]
    finally:
        asking.crew.close()


_Answer = bytes | RevocationList | str
"""A sentence where there is none."""


class _Asking:
    """What is asked in one call."""

    def __init__(self, place: Place, wait: float, until: float, given_up: Event) -> None:
        self.crew = Crew(AT_ONCE, "asks for revocation", until, given_up)
        self._place = place
        self._wait = wait
        self._until = until
        self._given_up = given_up
        self._begun: dict[tuple[str, bytes], Future[_Answer]] = {}
        self._left = MOST_BYTES
        self._lock = Lock()

    def put(self, one: Issued, kind: str, url: str) -> Future[_Answer]:
        """Begin to ask, unless the same was asked before."""
        try:
            question = ocsp.question(one.certificate.der, one.issuer.der) if kind == "ocsp" else b""
        except ValueError as error:
            return _known(f"cannot be asked about: {error}")
        if (url, question) not in self._begun:
            self._begun[url, question] = self.crew.put(lambda: self._answer(url, question))
        return self._begun[url, question]

    def told(self, one: Issued, kind: str, url: str, answer: Future[_Answer]) -> Asked:
        """What came of it, as it is about this certificate."""
        found = self.crew.result(answer, _LATE)
        asked = Asked(one.fingerprint, kind, url, "")
        if isinstance(found, bytes):
            return asked._replace(response=base64.b64encode(found).decode("ascii"))
        said = found.says(one.certificate, one.issuer) if isinstance(found, RevocationList) else found
        return asked._replace(listed=said) if isinstance(said, Listed) else asked._replace(error=said)

    def _answer(self, url: str, question: bytes) -> _Answer:
        until = min(time.monotonic() + self._wait, self._until)
        most = ocsp.MOST_BYTES if question else MOST_LIST_BYTES
        try:
            data = fetch(self._place, url_of(url), question, until, self._given_up, most, self._count)
            if not question:
                return RevocationList(data)
        except (Unreached, ValueError) as failed:
            return str(failed)
        return data if ocsp.is_response(data) else "is no OCSP response"

    def _count(self, size: int) -> None:
        with self._lock:
            self._left -= size
        if self._left < 0:
            raise Unreached(f"not read to its end: more than {MOST_BYTES // 2**20} MiB in all")


def _known(sentence: str) -> Future[_Answer]:
    known: Future[_Answer] = Future()
    known.set_result(sentence)
    return known


def _named(one: Issued) -> list[tuple[str, str]]:
    """The first URLs, responders and lists in turn; those that are asked before those that are not."""
    responders = [("ocsp", url) for url in _responders(one.certificate)]
    lists = [("crl", url) for url in urls_of(one.certificate)]
    turns = itertools.zip_longest(dict.fromkeys(responders), dict.fromkeys(lists))
    named = [each for turn in turns for each in turn if each]
    return sorted(named, key=lambda each: not each[1].lower().startswith("http://"))[:URLS]


def _responders(certificate: Certificate) -> Iterator[str]:
    for access in certificate.value(x509.AuthorityInformationAccess) or ():
        place = access.access_location
        if access.access_method == x509.OID_OCSP and isinstance(place, x509.UniformResourceIdentifier):
            yield place.value
