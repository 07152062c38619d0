"""A host's own view of DNS: what it hears by plain commands, and whom it asks instead.

In: a host of a lab with an estate. Out: what it is told; and ways to break that, for as long as one is inside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.host import LabHost
from lab.island import Island
from lab.names import spoiling
from lab.names.build import rewritten
from lab.names.servers import LOCAL, answers, unbound, wait_for
from lab.waiting import wait_until

OWN, SPOILING = "127.0.0.1", "127.0.0.2"
"""Where a host's own resolver listens, and a server that spoils answers."""
RESOLV_CONF = "/etc/resolv.conf"


def data(host: LabHost, name: str) -> tuple[str, str]:
    """Its first A and AAAA."""
    first = [answers(host, name, type).partition("\n")[0] for type in ("A", "AAAA")]
    return first[0], first[1]


def status(host: LabHost, name: str, type: str = "A", server: str = "", *options: str) -> str:
    """`NOERROR`, `SERVFAIL`, …; `silent` where no answer comes."""
    at = [f"@{server}"] if server else []
    said = host.run(["kdig", "+timeout=1", "+retry=0", *at, *options, name, type], check=False).stdout
    found = re.search(r"status: (\w+);", said)
    return found[1] if found else "silent"


def authoritative(host: LabHost, zone: str, type: str = "A") -> list[str]:
    """An address of each of a zone's name servers, the first one's first."""
    names = sorted(answers(host, zone, "NS").split(), key=lambda name: (not name.startswith("ns"), name))
    return [answers(host, name, type).split()[0] for name in names]


def nameservers(host: LabHost) -> list[str]:
    """Whom the host asks, in order."""
    return [line.split()[1] for line in host.read(RESOLV_CONF).splitlines() if line.startswith("nameserver ")]


@contextmanager
def asking(host: LabHost, servers: Sequence[str], *lines: str) -> Iterator[None]:
    """While inside, the host asks these servers."""
    text = "".join(f"{line}\n" for line in [*(f"nameserver {server}" for server in servers), *lines])
    with rewritten(host, RESOLV_CONF, text):
        yield


@contextmanager
def unheard(host: LabHost, protocol: str, server: str) -> Iterator[None]:
    """While inside, what a server answers over one protocol does not come in."""
    table = "ip6tables-legacy" if ":" in server else "iptables-legacy"
    with rule(host, table, "INPUT", "-s", server, "-p", protocol, "--sport", "53", "-j", "DROP"):
        yield


@contextmanager
def rule(host: LabHost, table: str, *rule: str) -> Iterator[None]:
    """While inside, a rule of iptables or ip6tables holds on the host."""
    host.run([table, "-A", *rule])
    try:
        yield
    finally:
        host.run([table, "-D", *rule])


@contextmanager
def resolver(
    host: LabHost, listen: str, *data: str, zone: str = "", rotate: bool = True, far: Island | None = None
) -> Iterator[None]:
    """While inside, a resolver of the host's own, which asks the host's first and has some data of its own."""
    lines = [f"  local-data: '{one}'" for one in data]
    lines += [f"  local-zone: {zone}"] if zone else []
    lines += [f"  rrset-roundrobin: {'yes' if rotate else 'no'}"]
    configuration = LOCAL.format(listen=listen, upstream=nameservers(host)[0], more="\n".join(lines))
    with unbound(host, configuration, where=lambda command: far.command(*command) if far else command):
        wait_for(host, listen, data[0].split()[0] if data else "mail.example.test")
        yield


@contextmanager
def spoiled(host: LabHost, how: str, value: str) -> Iterator[None]:
    """While inside, a server on the host passes on what the host's first name server says, and spoils it."""
    program, upstream = Path(spoiling.__file__).read_text(), nameservers(host)[0]
    with host.background(["python3", "-I", "-S", "-c", program, how, value, SPOILING, upstream]):
        listens = lambda: f"{SPOILING}:53" in host.run(["ss", "-Hltn"]).stdout  # noqa: E731
        wait_until(listens, within=10, what=f"{host.name}: the server that spoils answers")
        yield
