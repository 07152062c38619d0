"""The estate: name servers and resolvers on four hosts of a lab, which every host of it then asks.

In: a lab with hosts of the names `SERVERS`. Out: an `Estate`, whose names resolve on all hosts over both families.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lab.build import Lab
from lab.errors import LabError
from lab.host import LabHost
from lab.names.servers import VALIDATING, hints, knot, unbound, wait_for
from lab.names.signing import ds
from lab.names.zones import NO_TCP, NO_V6, WIDE, zones

SERVERS = ("ns1", "ns2", "resolver1", "resolver2")
"""The hosts that the estate needs in a lab, by name."""
COMMANDS = ("knotd", "kdig", "unbound")
_FURTHER_ADDRESSES = f"""
ip address {{0}} {NO_V6[0]}/24 dev eth0
ip address {{0}} {NO_V6[1]}/64 dev eth0 nodad
ip address {{0}} {NO_TCP[0]}/24 dev eth0
ip address {{0}} {NO_TCP[1]}/64 dev eth0 nodad
ip address {{0}} {WIDE[0]}/24 dev eth0
ip address {{0}} {WIDE[1]}/64 dev eth0 nodad
ip6tables-legacy --{{1}} INPUT -d {NO_V6[1]} -p udp --dport 53 -j DROP
ip6tables-legacy --{{1}} INPUT -d {NO_V6[1]} -p tcp --dport 53 -j DROP
iptables-legacy --{{1}} INPUT -d {NO_TCP[0]} -p tcp --dport 53 -j DROP
ip6tables-legacy --{{1}} INPUT -d {NO_TCP[1]} -p tcp --dport 53 -j DROP
"""
_POLICY = """\
families: [ipv4, ipv6]
plays:
- hosts: all
  dns:
    root_servers: [{roots}]
    trust_anchors: ["{anchor}"]
"""


@dataclass(frozen=True)
class Estate:
    """Names that resolve, and who answers for them."""

    lab: Lab
    """The lab; its `here` asks the same resolvers as its hosts."""
    root_servers: tuple[str, ...]
    trust_anchor: str
    """The root's DS data."""
    resolvers: tuple[str, ...]
    """In resolv.conf's order."""

    @property
    def policy(self) -> str:
        """The text of a policy that knows the root, to which plays may be added."""
        return _POLICY.format(roots=", ".join(f'"{one}"' for one in self.root_servers), anchor=self.trust_anchor)


@contextmanager
def estate(lab: Lab) -> Iterator[Estate]:
    """While inside, every host of the lab asks the estate's resolvers."""
    if lacking := [command for command in COMMANDS if not shutil.which(command)]:
        raise LabError(f"an estate needs {', '.join(lacking)}: see selftest/packages.txt")
    hosts = {host.name: host for host in lab}
    if missing := [name for name in SERVERS if name not in hosts]:
        raise LabError(f"an estate needs hosts called {', '.join(missing)}")
    ns1, ns2, *resolving = (hosts[name] for name in SERVERS)
    resolvers = (resolving[0].address, resolving[1].address6)
    with ExitStack() as servers:
        _serve(servers, lab, ns1, ns2)
        anchor = ds(".")
        for host in resolving:
            servers.enter_context(_resolver(host, ns1, ns2, anchor))
        conf = "".join(f"nameserver {address}\n" for address in resolvers)
        here = _asks(lab, conf)
        for host in lab:
            servers.enter_context(rewritten(host, "/etc/resolv.conf", conf))
        for server in resolvers:
            for type in ("A", "AAAA"):
                wait_for(ns1, server, "www.example.test", type)
        yield Estate(here, (*addresses(ns1), *addresses(ns2)), anchor, resolvers)


def addresses(host: LabHost) -> tuple[str, str]:
    """Of both families."""
    return host.address, host.address6


@contextmanager
def rewritten(host: LabHost, path: str, text: str) -> Iterator[None]:
    """While inside, a file of the host says something else."""
    before = Path(f"/proc/{host.init}/root{path}").read_text()
    host.write(path, text)
    try:
        yield
    finally:
        host.write(path, before)


def _serve(servers: ExitStack, lab: Lab, ns1: LabHost, ns2: LabHost) -> None:
    served = zones({host.name: addresses(host) for host in lab})
    servers.enter_context(knot(ns1, served.ns1))
    servers.enter_context(_further_addresses(ns2))
    servers.enter_context(knot(ns2, served.ns2, (*addresses(ns2), *NO_V6, *NO_TCP)))
    servers.enter_context(knot(ns2, {"wide.test.": served.ns2["wide.test."]}, WIDE, payload=4096))
    for host in (ns1, ns2):
        for address in addresses(host):
            wait_for(host, address, ".", "SOA")
    for address in WIDE:
        wait_for(ns2, address, "wide.test.", "SOA")


@contextmanager
def _further_addresses(host: LabHost) -> Iterator[None]:
    host.run(["sh", "-e"], input=_FURTHER_ADDRESSES.format("add", "append"))
    try:
        yield
    finally:
        host.run(["sh", "-e"], input=_FURTHER_ADDRESSES.format("delete", "delete"))


@contextmanager
def _resolver(host: LabHost, ns1: LabHost, ns2: LabHost, anchor: str) -> Iterator[None]:
    roots = {"ns1.test.": addresses(ns1), "ns2.test.": addresses(ns2)}
    with unbound(host, VALIDATING.format(anchor=anchor), {"hints": hints(roots)}):
        yield


def _asks(lab: Lab, conf: str) -> Lab:
    """The lab as it is, but what is run in its `here` finds `conf` in /etc/resolv.conf."""
    file = lab.directory / "resolv.conf"
    file.write_text(f"{conf}options timeout:1 attempts:1\n")
    here = replace(lab.here, resolv_conf=file)
    return replace(lab, here=here, hosts=tuple(replace(host, here=here) for host in lab))
