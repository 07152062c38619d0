"""Where TLS is served and for whom, as a policy writes it: hosts with ports, names, paths, each in its one form.

In: texts. Out: the same in their one form; what is none is refused with a reason that reads behind it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from posixpath import normpath
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from shipworthy.policy._dns_items import ascii_name, refuse
from shipworthy.probes.parts.globs import is_glob
from shipworthy.probes.parts.peers import WIRE_SERVER, is_metadata

MOST = 100
"""Of names, and of further places, that one certificate has."""
LONGEST_PATH = 4095
STORES = frozenset({"here", "host"})
"""Words for the system's own trust store."""
SECRET_FOLDERS = ("/proc", "/sys", "/dev")
SECRET_FILES = ("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-")
_PLACE = re.compile(r"(?:\[(?P<literal>[^\[\]]*)\]|(?P<host>[^\[\]:]*)):(?P<port>[0-9]{1,5})", re.ASCII)
_BROADCAST = ipaddress.ip_address("255.255.255.255")
_MODE = re.compile(r"0?[0-7]{3}", re.ASCII)

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def address_of(text: str) -> IPAddress | None:
    """The address that `text` is; None where it is a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def host_and_port(place: str) -> tuple[str, int]:
    """Of a `Place` in its one form: the host without brackets."""
    host, _, port = place.rpartition(":")
    return host.strip("[]"), int(port)


def _place(text: str) -> str:
    found = _PLACE.fullmatch(text)
    if not found:
        refuse("is no HOST:PORT, such as www.example.org:443 or [2001:db8::1]:443")
    if not 1 <= int(found["port"]) <= 65535:
        refuse("has no port from 1 to 65535")
    if found["literal"] is None:
        return f"{_host(found['host'])}:{int(found['port'])}"
    address = address_of(found["literal"])
    if not isinstance(address, ipaddress.IPv6Address) or address.scope_id is not None:
        refuse("has no plain IPv6 address in its brackets")
    return f"[{_target(address)}]:{int(found['port'])}"


def _host(text: str) -> str:
    address = address_of(text)
    return str(_target(address)) if address else _name(text)


def _target(address: IPAddress) -> IPAddress:
    """An address at which somebody can be met; raises otherwise."""
    if is_metadata(str(address)) or str(address) == WIRE_SERVER:
        refuse("is an address of a cloud's metadata, which is never asked")
    if getattr(address, "ipv4_mapped", None):
        refuse("is an IPv4 address in IPv6's clothes: write it as the former")
    if address.is_link_local:
        refuse("is a link-local address, which is another machine's on every link")
    if address.is_unspecified or address.is_multicast or address == _BROADCAST:
        refuse("is the address of no single machine")
    return address


def _name(text: str) -> str:
    try:
        name = ascii_name(text)
    except ValueError as error:
        # The reason for an international name repeats it, and it may come from a secret variable.
        refuse(str(error) if text.isascii() else "is no DNS name")
    if name == "." or "*" in name:
        refuse("is no name of a server")
    return name


def _identity(text: str) -> str:
    """A DNS name, or an address: whom clients mean to meet."""
    address = address_of(text)
    return str(address) if address else _name(text)


def _path(text: str) -> str:
    """An absolute path, or a glob; raises for what is none."""
    if not text.startswith("/") or text.endswith("/"):
        refuse("is no absolute path of a file")
    if len(text) > LONGEST_PATH or not text.isprintable():
        refuse("is no path: it is too long, or has characters that no terminal shows")
    return text


def _read_path(text: str) -> str:
    """The same of files whose content is read."""
    _path(text)
    parts = normpath(text).strip("/").split("/")
    if _may_be(SECRET_FOLDERS, parts[:1]):
        refuse("leads below /proc, /sys or /dev, where nothing is read")
    if secret := _may_be(SECRET_FILES, parts):
        refuse(f"leads to {secret}, which is never read")
    return text


def _may_be(paths: Iterable[str], parts: list[str]) -> str:
    """The one of `paths` that a path or glob, taken apart, may stand for."""
    apart = ((path, path.strip("/").split("/")) for path in paths)
    return next((path for path, its in apart if len(its) == len(parts) and all(map(fnmatchcase, its, parts))), "")


def _single_path(text: str) -> str:
    if is_glob(text):
        refuse("is a glob, and one file is meant")
    return text


def _roots(text: str) -> str:
    if text not in STORES and not text.startswith("/"):
        refuse("is not here, host, or the absolute path of a file")
    return text if text in STORES else _single_path(_read_path(text))


def _octal(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        refuse("is a number to YAML, and not octal: write it in quotes, '0640'")
    if isinstance(value, str) and not _MODE.fullmatch(value):
        refuse("is no mode of a file in octal, such as 0640")
    return value


def _words(text: str) -> str:
    if not text.strip() or len(text) > 1000 or not text.isprintable():
        refuse("says nothing" if not text.strip() else "is no name: it is too long, or has characters that nobody sees")
    return text.strip()


def each_once(values: list[str] | None) -> list[str] | None:
    """The same list; raises where it repeats itself, or does not end."""
    if values is not None and len(values) > MOST:
        refuse(f"holds more than {MOST}")
    if values and (twice := next((value for value in values if values.count(value) > 1), None)):
        refuse(f"has {twice} twice")
    return values


Place = Annotated[str, AfterValidator(_place)]
"""`www.example.org:443`, `[2001:db8::1]:443`."""
Identity = Annotated[str, AfterValidator(_identity)]
CaName = Annotated[str, AfterValidator(_name)]
FilePath = Annotated[str, AfterValidator(_path), AfterValidator(_single_path)]
ReadPath = Annotated[str, AfterValidator(_read_path)]
"""A path or glob, of which no file is secret by nature."""
Roots = Annotated[str, AfterValidator(_roots)]
Mode = Annotated[str, BeforeValidator(_octal)]
Words = Annotated[str, AfterValidator(_words)]
