"""A relay at work on a link, as `collect` begins one, and hosts that only seem to be one.

In: a host, or a script that stands for it. Out: `Relay`, entered.
"""

from __future__ import annotations

import json
import secrets
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from shipworthy.inventory import Host
from shipworthy.links import Deadlines, Link, handshake, open_link
from shipworthy.probes import runtime
from shipworthy.relay import Relay

HERE = Host("here", "localhost", connection="local")
PATIENT = 60.0


@contextmanager
def relay_on(link: Link, host: Host = HERE, seconds: float = PATIENT) -> Iterator[Relay]:
    """The relay on a host."""
    until = time.monotonic() + seconds
    nonce = secrets.token_hex(16)
    command = runtime.shell_command(host.python, nonce)
    if host.become:
        command = handshake.as_user(command, host.become, nonce)
    with link.converse(command) as talk:
        begun = handshake.start(talk, become=host.become, nonce=nonce, until=until, rungs={})
        request = runtime.block(json.dumps({"deadline": seconds}).encode())
        talk.write(runtime.bundle((), begun.magic, "relay") + request)
        with Relay(talk, begun.rest, until) as relay:
            yield relay


@contextmanager
def relay_here(seconds: float = PATIENT, python: str | None = None) -> Iterator[Relay]:
    """The relay, a process of this machine."""
    host = Host("here", "localhost", connection="local", python=python)
    with open_link(host, Deadlines(), {}) as link, relay_on(link, host, seconds) as relay:
        yield relay


ROGUE = """
import os, struct, sys, time
def say(kind, number, data=b""):
    os.write(1, struct.pack("!cII", kind, number, len(data)) + data)
def hear():
    kind, number, length = struct.unpack("!cII", sys.stdin.buffer.read(9))
    return kind, number, sys.stdin.buffer.read(length)
def hear_of(wanted):
    while True:
        kind, number, data = hear()
        if kind == wanted:
            return number
"""


@contextmanager
def rogue(script: str, seconds: float = PATIENT) -> Iterator[Relay]:
    """A host that does what `script` says, in place of a relay."""
    command = shlex.join(["exec", sys.executable, "-I", "-S", "-c", ROGUE + script])
    until = time.monotonic() + seconds
    with open_link(HERE, Deadlines(), {}) as link, link.converse(command) as talk, Relay(talk, b"", until) as relay:
        yield relay
