"""The servers of the lab's names: knot, which serves zones as they are, and unbound, which looks names up.

In: a host. Out: while inside, the server runs there, and answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from lab.daemon import NO_FILES, daemon, directory
from lab.host import LabHost
from lab.waiting import wait_until

_KNOT = """\
server:
  rundir: {directory}
  listen: [{listen}]
  udp-max-payload: {payload}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
- target: stderr
  any: warning
database:
  storage: {directory}
template:
- id: default
  storage: {directory}
  semantic-checks: off
  zonefile-sync: -1
  zonefile-load: whole
  journal-content: none
zone:
"""
_UNBOUND = """\
server:
  chroot: ""
  username: ""
  pidfile: ""
  directory: /run/unbound
  use-syslog: no
  do-daemonize: no
  num-threads: 1
  outgoing-range: 256
  msg-cache-size: 1m
  rrset-cache-size: 1m
  target-fetch-policy: "0 0 0 0 0"
  infra-keep-probing: yes
  access-control: 0.0.0.0/0 allow
  access-control: ::/0 allow
  unblock-lan-zones: yes
  insecure-lan-zones: no
  local-zone: test. nodefault
"""
VALIDATING = """\
  interface: 0.0.0.0
  interface: ::0
  root-hints: /run/unbound/hints
  trust-anchor: ". DS {anchor}"
remote-control:
  control-enable: no
"""
LOCAL = """\
  interface: {listen}
  module-config: iterator
{more}
remote-control:
  control-enable: no
forward-zone:
  name: .
  forward-addr: {upstream}
"""

Inside = Callable[[list[str]], list[str]]
_OWN = "/run/unbound"


@contextmanager
def knot(
    host: LabHost, zones: Mapping[str, str], at: Sequence[str] = ("0.0.0.0", "::"), payload: int = 1232
) -> Iterator[None]:
    """While inside, the host serves these zones at some of its addresses, and takes datagrams of `payload` bytes."""
    own, listen = f"/run/knot-{payload}", ", ".join(f'"{address}@53"' for address in at)
    files = {zone: f"{zone if zone != '.' else 'root.'}zone" for zone in zones}
    served = (f'- domain: "{zone}"\n  file: {file}\n' for zone, file in files.items())
    texts = {file: zones[zone] for zone, file in files.items()}
    texts["knot.conf"] = _KNOT.format(directory=own, listen=listen, payload=payload) + "".join(served)
    with directory(host, own, texts), daemon(host, own, ["knotd", "-c", f"{own}/knot.conf"]):
        yield


@contextmanager
def unbound(
    host: LabHost, configuration: str, files: Mapping[str, str] = NO_FILES, where: Inside = list
) -> Iterator[None]:
    """While inside, the host looks names up for others, or for itself; `where` starts it elsewhere."""
    command = where(["unbound", "-d", "-c", f"{_OWN}/unbound.conf"])
    with directory(host, _OWN, {"unbound.conf": _UNBOUND + configuration, **files}), daemon(host, _OWN, command):
        yield


def hints(servers: Mapping[str, Sequence[str]]) -> str:
    """A file of root hints, from the addresses of the root's servers by their names."""
    lines = [f". 3600 NS {name}\n" for name in servers]
    lines += [f"{name} 3600 A {v4}\n{name} 3600 AAAA {v6}\n" for name, (v4, v6) in servers.items()]
    return "".join(lines)


def answers(host: LabHost, name: str, type: str = "A", *options: str) -> str:
    """What dig would say in short on the host, each record a line; empty where there is nothing, or nobody answers."""
    return host.run(["kdig", "+short", "+timeout=1", "+retry=0", *options, name, type], check=False).stdout


def wait_for(host: LabHost, server: str, name: str, type: str = "A") -> None:
    """Wait until the server answers the host with data."""
    got = lambda: answers(host, name, type, f"@{server}")  # noqa: E731
    wait_until(got, within=10, what=f"{host.name}: {name} {type} of {server}")
