"""`python -m selftest.probes.dns_host`: a host with a network and an /etc of its own, on which a probe asks DNS.

In: JSON on standard input: `files` by path, `servers` by address with how each answers, the `probe` and its `request`.
Out: its reading, as JSON. It needs root; the namespaces end with the process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode

from selftest.probes.name_server import (
    OverTcp,
    OverUdp,
    answer,
    kind_of,
    name_server,
    silent,
    stays_silent,
    well,
    well_over_tcp,
)
from shipworthy.probes.runtime.encode import encode
from shipworthy.probes.runtime.machine import Machine

LINK_LOCAL = "fe80::53"
"""An address of the host, on the interface `d0`."""
_TURN = count()


def refuses(question: bytes) -> list[bytes]:
    """As resolvers say that they could not find out."""
    reply = dns.message.make_response(dns.message.from_wire(question))
    reply.set_rcode(dns.rcode.SERVFAIL)
    return [reply.to_wire()]


def knows_no_name(question: bytes) -> list[bytes]:
    reply = dns.message.make_response(dns.message.from_wire(question))
    reply.set_rcode(dns.rcode.NXDOMAIN)
    return [reply.to_wire()]


def rotates(question: bytes) -> list[bytes]:
    """One of two addresses, in turn."""
    return [answer(question, address=f"192.0.2.{next(_TURN) % 2 + 1}")] if kind_of(question) == "A" else well(question)


def mapped(question: bytes) -> list[bytes]:
    """IPv6 that is IPv4 in its clothes."""
    return [answer(question, address="::ffff:192.0.2.1")] if kind_of(question) == "AAAA" else well(question)


def silent_for_ipv6(question: bytes) -> list[bytes]:
    return well(question) if kind_of(question) == "A" else []


def silent_for_most(question: bytes) -> list[bytes]:
    return well(question) if b"\x04www0" in question else []


HOW: Mapping[str, OverUdp] = {
    each.__name__: each
    for each in (well, silent, refuses, knows_no_name, rotates, mapped, silent_for_ipv6, silent_for_most)
}

OVER_TCP: Mapping[str, OverTcp] = {"silent": stays_silent}
"""Those that do not answer well there."""


def on_a_host(
    files: Mapping[str, str], servers: Mapping[str, str], *, probe: str = "dns", **request: Any
) -> dict[str, Any]:
    """The reading of the probe on such a host."""
    told = json.dumps({"files": files, "servers": servers, "probe": probe, "request": request})
    command = ["unshare", "--net", "--mount", sys.executable, "-m", __name__]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, input=told, capture_output=True, text=True, timeout=60, check=False, cwd=root)
    assert done.returncode == 0, done.stderr
    reading: dict[str, Any] = json.loads(done.stdout)
    return reading


def _run(told: Mapping[str, Any]) -> Any:
    for line in ("link set lo up", "link add d0 type veth peer name d1", "link set d0 up", "link set d1 up"):
        subprocess.run(["ip", *line.split()], check=True)
    subprocess.run(["ip", "address", "add", LINK_LOCAL, "dev", "d0", "nodad"], check=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for number, (path, text) in enumerate(told["files"].items()):
            source = folder / str(number)
            source.write_text(text)
            subprocess.run(["mount", "--bind", source, path], check=True)
            stack.callback(subprocess.run, ["umount", path], check=True)
        for address, how in told["servers"].items():
            stack.enter_context(name_server(HOW[how], OVER_TCP.get(how, well_over_tcp), address, 53))
        module = import_module(f"shipworthy.probes.{told['probe']}")
        return encode(module.probe(Machine(), module.Request(**told["request"])))


if __name__ == "__main__":
    print(json.dumps(_run(json.load(sys.stdin))))  # noqa: T201 -- its answer
