"""Real authoritative servers, in a network of their own that no other process sees.

In: addresses, and zones as text. Out: knotd listening there, and a way to run code that reaches them.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from lab import wait_until
from shipworthy import dns_messages
from shipworthy.vantage import wire

T = TypeVar("T")
_NEW_NETWORK = 0x40000000


class Apart:
    """A network that begins empty; what runs in it is one thread, and what that thread starts."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._thread = stack.enter_context(ThreadPoolExecutor(1, "apart", _unshare))
        self.command("ip", "link", "set", "lo", "up")

    def run(self, function: Callable[[], T]) -> T:
        """Call `function` there."""
        return self._thread.submit(function).result()

    def command(self, *arguments: str) -> None:
        """Run a command there."""
        self.run(lambda: subprocess.run(arguments, check=True, capture_output=True))

    def address(self, *addresses: str) -> None:
        """Give it addresses, at which servers can listen."""
        for address in addresses:
            bits = "128" if ":" in address else "32"
            nodad = ["nodad"] if ":" in address else []
            self.command("ip", "address", "add", f"{address}/{bits}", "dev", "lo", *nodad)

    def serve(
        self, addresses: list[str], zones: Mapping[str, str], *, tcp: bool = True, nsec3: str = ""
    ) -> dict[str, str]:
        """Let knotd serve `zones`, texts by name, at `addresses`, which are given to this network.

        It signs those itself that are plain where `nsec3` says how often it hashes; then their DS are given back.
        """
        self.address(*addresses)
        place = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="knot-")))
        listens = "".join(f"    listen: {address}@53\n" for address in addresses)
        said = f"server:\n    rundir: {place}\n{listens}"
        said += "".join(f"    {kind}-workers: 1\n" for kind in ("tcp", "udp", "background"))
        said += f"database:\n    storage: {place}\n"
        said += f"policy:\n  - id: hashed\n    nsec3: on\n    nsec3-iterations: {nsec3}\n" if nsec3 else ""
        said += "zone:\n"
        for number, (name, text) in enumerate(zones.items()):
            (place / f"{number}.zone").write_text(text)
            said += f"  - domain: {name}\n    file: {place}/{number}.zone\n    semantic-checks: soft\n"
            said += "    dnssec-signing: on\n    dnssec-policy: hashed\n" if nsec3 else ""
            said += f"    journal-content: {'changes' if nsec3 else 'none'}\n    zonefile-sync: -1\n"
        (place / "knot.conf").write_text(said)
        log = (place / "log").open("wb")
        knot = self.run(lambda: subprocess.Popen(["knotd", "-c", str(place / "knot.conf")], stdout=log, stderr=log))
        self._stack.callback(knot.wait, 5)
        self._stack.callback(knot.terminate)
        question = dns_messages.query(next(iter(zones)), "SOA", recursion=False)
        wait_until(
            lambda: self.run(lambda: wire.ask(addresses[0], "tcp", question, 1.0).message),
            within=10,
            what=f"knotd at {addresses[0]}",
        )
        if not tcp:
            for command in ("iptables", "ip6tables"):
                version = ":" if command == "ip6tables" else "."
                for address in (each for each in addresses if version in each):
                    rule = ("-A", "INPUT", "-d", address, "-p", "tcp", "--dport", "53", "-j", "DROP")
                    self.command(command, *rule)
        if not nsec3:
            return {}
        command_ = ["keymgr", "-c", str(place / "knot.conf")]
        return {name: _ds(subprocess.check_output([*command_, name, "ds"], text=True)) for name in zones}


@contextmanager
def apart() -> Iterator[Apart]:
    """A network, gone with all that runs in it at the end."""
    with ExitStack() as stack:
        yield Apart(stack)


def _ds(said: str) -> str:
    """Of what keymgr prints, the SHA-256 one."""
    return next(line for line in said.splitlines() if line.split()[4] == "2").partition(" DS ")[2]


def _unshare() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
