"""Names to addresses as clients here find them: by the C library, with its hosts file, each family by itself.

What it says is what clients here hear, its quirks included: glibc has `::1` of a hosts file as 127.0.0.1 too.
The C library cannot be interrupted: whoever it keeps waiting is left behind, in a thread that nobody joins.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Iterator
from queue import Empty, SimpleQueue
from threading import Event, Thread

from shipworthy.vantage.meeting import Resolved

AT_ONCE = 32
_LOOK = 0.1
"""Seconds between two looks at whether it was given up."""
_FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
WORDS = {
    socket.EAI_NONAME: "no such name",
    socket.EAI_NODATA: "no address",
    socket.EAI_AGAIN: "no name server answers",
    socket.EAI_FAIL: "the name servers fail",
}
"""For getaddrinfo's errors."""


_Asked = tuple[str, str]


def resolve(asked: Collection[_Asked], until: float, given_up: Event) -> Iterator[Resolved]:
    """Each host and family of `asked`, as its answer comes; at the end those without one, which say so.

    The end is at the monotonic time `until`, or when nobody needs it any more.
    """
    begun = time.monotonic()
    missing = dict.fromkeys(asked)
    waiting: SimpleQueue[_Asked] = SimpleQueue()
    answers: SimpleQueue[Resolved] = SimpleQueue()
    for each in missing:
        waiting.put(each)
    for _ in range(min(AT_ONCE, len(missing))):
        Thread(target=_work, args=(waiting, answers, until), daemon=True).start()
    while missing and time.monotonic() < until and not given_up.is_set():
        try:
            resolved = answers.get(timeout=min(_LOOK, max(0.001, until - time.monotonic())))
        except Empty:
            continue
        del missing[resolved.host, resolved.family]
        yield resolved
    seconds = time.monotonic() - begun
    for host, family in missing:
        yield Resolved(host, family, [], f"no answer within {seconds:.3g} s", seconds)


def _work(waiting: SimpleQueue[_Asked], answers: SimpleQueue[Resolved], until: float) -> None:
    try:
        while time.monotonic() < until:
            answers.put(_resolved(*waiting.get_nowait()))
    except Empty:
        return


def _resolved(host: str, family: str) -> Resolved:
    begun = time.monotonic()
    addresses: list[str] = []
    error = ""
    try:
        found = socket.getaddrinfo(host, None, _FAMILIES[family], socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
    except socket.gaierror as failed:
        error = WORDS.get(failed.errno or 0) or str(failed.strerror)
    except (OSError, ValueError) as failed:  # what no host is called, or a machine without descriptors
        error = f"cannot be resolved: {failed}"
    return Resolved(host, family, addresses, error, time.monotonic() - begun)
