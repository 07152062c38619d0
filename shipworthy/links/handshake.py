"""From a started command to the probe's marker: login noise is skipped, sudo is answered, every other end is told.

A command that is to run by sudo is made by `as_user`, with the same nonce.
In: a conversation whose command prints `SHIPWORTHY-<nonce>` on a line of standard output once it runs. Out: what that
line tells of the host's Python, and the bytes that came after it.
"""

from __future__ import annotations

import re
import time
from typing import NamedTuple

from shipworthy.errors import LinkError
from shipworthy.inventory import Become
from shipworthy.links import Conversation
from shipworthy.links.become import SudoTalk, as_user, refusal
from shipworthy.links.text import last_line, one_line, seconds_as_text

__all__ = ["NOISE_BYTES", "Started", "as_user", "start"]

NOISE_BYTES = 2**18
_STDERR_BYTES = 2**16
_AND_MORE = rb"(?: magic ([0-9a-f]{8})| (no-python\b[^\n]*))?\n"


class Started(NamedTuple):
    """A probe that waits for its bundle."""

    magic: str
    """Of the bytecode that the host's Python knows, eight hexadecimal digits; empty where it was not told."""
    rest: bytes
    """What standard output held after the marker."""


def start(
    conversation: Conversation, *, become: Become | None, nonce: str, until: float, rungs: dict[str, float]
) -> Started:
    """Wait for the marker of `nonce` by the monotonic time `until`.

    The seconds that it took are written to `rungs`, as `become` or, without one, as `python`. Raises `LinkError` with
    the rung that broke: `become`, `python`, or `session` for a login shell that ends, babbles or stays silent.
    """
    begun = time.monotonic()
    rung = "become" if become else "python"
    sudo = SudoTalk(become, nonce) if become else None
    marker = re.compile(rb"SHIPWORTHY-" + re.escape(nonce.encode()) + _AND_MORE)
    out, err = bytearray(), bytearray()
    try:
        while not (found := marker.search(out)):
            if conversation.finished:
                raise _ended(bytes(out), bytes(err), become, nonce, conversation.exit_status)
            if time.monotonic() >= until:
                raise _late(bytes(err), become, time.monotonic() - begun)
            more, more_err = conversation.read(until)
            out += more
            err += more_err
            del err[:-_STDERR_BYTES]
            if len(out) > NOISE_BYTES and not marker.search(out):
                begins = one_line(bytes(out[:400]), at_most=80)
                raise LinkError(
                    "session", f"over {NOISE_BYTES >> 10} KiB of noise before the probe, beginning {begins!r}"
                )
            if sudo and (answer := sudo.hear(more_err)):
                conversation.write(answer, until)
    finally:
        rungs[rung] = time.monotonic() - begun
    magic, none = found.groups()
    if none:
        tried = one_line(none.removeprefix(b"no-python"))
        raise LinkError("python", f"no Python 3.6 or later on the host{f': tried {tried}' if tried else ''}")
    return Started((magic or b"").decode(), bytes(out[found.end() :]))


def _ended(out: bytes, err: bytes, become: Become | None, nonce: str, status: int | None) -> LinkError:
    if become and (reason := refusal(err, become, nonce, status)):
        return LinkError("become", reason)
    if status is None:
        return LinkError("session", "the connection ended before the probe began")
    said = last_line(err, out, hiding=(become.password if become else None,))
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    return LinkError("session", f"the login shell {how} before the probe began{f': {said}' if said else ''}")


def _late(err: bytes, become: Become | None, seconds: float) -> LinkError:
    said = last_line(err, hiding=(become.password if become else None,))
    waited = f"the probe did not begin within {seconds_as_text(seconds)}"
    return LinkError("become" if become else "session", f"{waited}{f': {said}' if said else ''}")
