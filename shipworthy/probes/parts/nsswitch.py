"""/etc/nsswitch.conf: where the C library looks names of hosts up, and in what order.

In: the file's text. Out: the sources of the line `hosts:`. musl has no such file: it reads /etc/hosts, then asks DNS.
Source: nsswitch.conf(5).
"""

import re
from typing import List

from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import lines_of

PATH = "/etc/nsswitch.conf"

_ACTIONS = re.compile(r"\[[^\]]*\]?")
_KEPT = 20
_LONGEST = 40


def read_sources(machine: Machine) -> List[str]:
    """This host's. Raises `NotSeen` where the file says nothing of hosts, OSError where there is none."""
    return parse_hosts_sources(machine.read(PATH))


def parse_hosts_sources(text: str) -> List[str]:
    """`hosts: files mdns4 [NOTFOUND=return] dns` → `files`, `mdns4`, `dns`; of several lines the last."""
    found = None
    for line in lines_of(text):
        name, colon, rest = line.partition("#")[0].partition(":")
        if colon and name.strip() == "hosts":
            found = rest
    if found is None:
        raise NotSeen("{} has no line `hosts:`".format(PATH))
    return [source[:_LONGEST] for source in _ACTIONS.sub(" ", found).split()[:_KEPT]]
