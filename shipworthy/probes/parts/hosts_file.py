"""/etc/hosts: what it says of the names that are asked for, whatever DNS says of them.

In: the file, a line at a time (some block a million names in it), and names. Out: addresses by name.
Source: hosts(5); glibc's nss/nss_files/files-hosts.c: a line whose address is none is passed over.
"""

import socket
from typing import Dict, Iterable, List, Set

from shipworthy.probes.runtime.machine import Machine

PATH = "/etc/hosts"

_KEPT = 20
"""Addresses of one name."""


def read_overrides(machine: Machine, names: Iterable[str]) -> Dict[str, List[str]]:
    """Those of `names` that the file knows. Raises OSError where there is none."""
    return overrides(machine.lines(PATH), names)


def overrides(lines: Iterable[bytes], names: Iterable[str]) -> Dict[str, List[str]]:
    """The addresses of those of `names` that stand in `lines`, in their order."""
    wanted: Set[bytes] = {name.encode("ascii", "replace").lower() for name in names}
    found: Dict[str, List[str]] = {}
    for line in lines:
        words = line.partition(b"#")[0].lower().split()
        for word in words[1:]:
            name = word[:-1] if word.endswith(b".") else word
            if name in wanted:
                _add(found.setdefault(name.decode("ascii"), []), words[0])
    return {name: addresses for name, addresses in found.items() if addresses}


def _add(addresses: List[str], word: bytes) -> None:
    text = word.decode("ascii", "replace")
    plain, percent, scope = text.partition("%")
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        one = socket.inet_ntop(family, socket.inet_pton(family, plain)) + percent + scope[:15]
    except (OSError, ValueError):
        return
    if one not in addresses and len(addresses) < _KEPT:
        addresses.append(one)
