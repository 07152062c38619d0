"""All that is to be found out from one place: endpoints met, trust stores read, and revocation asked for.

In: `Wanted`, and the place: `Here`, this machine, or a host over its link. Out: `Met`; what could not be found out says
why. No chain is judged here, as what is kept can be judged at whatever time; but for whose URLs are followed.
"""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from threading import Event

from shipworthy.vantage import connecting, resolving, revocation
from shipworthy.vantage.chain.certificate import read
from shipworthy.vantage.connecting import Unreached
from shipworthy.vantage.crew import Crew
from shipworthy.vantage.meet import meet
from shipworthy.vantage.meeting import Asked, Met, Place, Resolved, Seen, Store, Stream, Wanted

ReadStore = Callable[[str, Collection[bytes]], tuple[str, int, list[str], str]]
"""Of a path (empty for the system's own) and issuers, names in DER, what `Store` has: roots in base64."""
_MEETING = 0.6
"""The share of the time that is for meeting endpoints, where something comes behind that."""
_STORES = 0.75
"""By when stores are read."""
_STORES_AT_ONCE = 4
_LATE = "not read: the time was up"


class Here:
    """This machine as a `Place`."""

    def __init__(self, read_store: ReadStore) -> None:
        self._read_store = read_store

    def resolve(self, asked: Collection[tuple[str, str]], until: float, given_up: Event) -> Iterator[Resolved]:
        """By the C library."""
        return resolving.resolve(asked, until, given_up)

    def connected(self, address: str, port: int, until: float) -> Stream:
        """A socket."""
        return connecting.connected(address, port, socket.SOCK_STREAM, until)

    def store(self, path: str, issuers: Collection[bytes], until: float) -> Store:  # noqa: ARG002
        """A file here. Reading cannot be interrupted: whoever asks does so in a thread that nobody waits for."""
        return Store(*self._read_store(path, issuers))


def visit(wanted: Wanted, place: Place, deadline: float, given_up: Event, most_bytes: int) -> Met:
    """Find out all of `wanted`; done within `deadline` seconds, and at once when `given_up` is set.

    Trust stores are asked for the issuers of all that was served, and of leaves for themselves, which may be pinned.
    Certificates and answers are kept up to `most_bytes` of base64. Raises nothing for what others do.
    """
    begun, measured = time.monotonic(), round(time.time(), 3)
    room = _Room(most_bytes)
    is_all = not (wanted.stores or wanted.revocation)
    met = meet(wanted.endpoints, place, wanted.families, wanted.wait, deadline * (1 if is_all else _MEETING), given_up)
    seen = [[room.seen(one) for one in met[endpoint]] for endpoint in wanted.endpoints]
    chains = list(_chains(one for each in seen for one in each))
    stores = _stores(wanted.stores, chains, place, begun + deadline * _STORES, given_up)
    stores = {path: room.store(store) for path, store in stores.items()}
    asked: list[Asked] = []
    if wanted.revocation:
        until = begun + deadline
        trusted = [_ders(store.roots) for store in stores.values() if store.roots]
        certificates = revocation.issued(chains, trusted, datetime.now(UTC), until, given_up)
        asked = [room.asked(one) for one in revocation.ask(certificates, place, wanted.wait, until, given_up)]
    missing = ["given up before all was found out"] if given_up.is_set() else []
    return Met(list(wanted.endpoints), seen, stores, asked, "; ".join([*missing, *room.missing()]), measured)


class _Room:
    """What may be kept. What comes when it is full is not kept, and says so."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._left = most_bytes
        self._refused = 0

    def seen(self, one: Seen) -> Seen:
        texts = {*one.chain, one.staple, *one.client_authorities, *(text for each in one.others for text in each.chain)}
        if self._takes(texts):
            return one
        others = [each._replace(chain=[], error=each.error or self._full) for each in one.others]
        return one._replace(chain=[], staple="", client_authorities=[], others=others, error=one.error or self._full)

    def store(self, one: Store) -> Store:
        return one if self._takes(one.roots) else one._replace(roots=[], error=self._full)

    def asked(self, one: Asked) -> Asked:
        return one if self._takes([one.response]) else one._replace(response="", error=self._full)

    def missing(self) -> list[str]:
        """What is to be told of it in all."""
        return [f"{self._refused} {self._full}"] if self._refused else []

    @property
    def _full(self) -> str:
        return f"not kept: more than {self._most / 2**20:g} MiB in all"

    def _takes(self, texts: Iterable[str]) -> bool:
        size = sum(map(len, texts))
        if size > self._left:
            self._refused += 1
            return False
        self._left -= size
        return True


def _chains(seen: Iterable[Seen]) -> Iterator[tuple[bytes, ...]]:
    """Every chain that was served, each once."""
    texts = (tuple(chain) for one in seen for chain in (one.chain, *(other.chain for other in one.others)))
    yield from (tuple(_ders(chain)) for chain in dict.fromkeys(texts) if chain)


def _ders(texts: Iterable[str]) -> list[bytes]:
    return [base64.b64decode(text) for text in texts]


def _stores(
    paths: Iterable[str], chains: Iterable[tuple[bytes, ...]], place: Place, until: float, given_up: Event
) -> dict[str, Store]:
    issuers = _issuers(list(chains))
    crew = Crew(_STORES_AT_ONCE, "reads stores", until, given_up)
    try:
        begun = {path: crew.put(partial(_store, place, path, issuers, until)) for path in paths}
        return {path: crew.result(future, Store(path, 0, [], _LATE)) for path, future in begun.items()}
    finally:
        crew.close()


def _issuers(chains: list[tuple[bytes, ...]]) -> list[bytes]:
    """Names in DER."""
    leaves = {leaf for leaf, *_ in chains}
    names: dict[bytes, None] = {}
    for der in dict.fromkeys(der for chain in chains for der in chain):
        try:
            certificate = read(der)
        except ValueError:
            continue
        names[certificate.issuer] = None
        if der in leaves:
            names[certificate.subject] = None
    return list(names)


def _store(place: Place, path: str, issuers: list[bytes], until: float) -> Store:
    try:
        return place.store(path, issuers, until)
    except TimeoutError:
        return Store(path, 0, [], _LATE)
    except OSError as failed:
        return Store(path, 0, [], connecting.told(failed))
    except Unreached as unreached:
        return Store(path, 0, [], str(unreached))
