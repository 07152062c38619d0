"""What ssh's configuration says of a host: the user's file, and the options of the inventory before it.

In: a `Host`, or the name of a bastion. Out: `Settings`, with every keyword that the paramiko link honours, typed.
"""

from __future__ import annotations

import functools
import getpass
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from shipworthy.errors import LinkError
from shipworthy.inventory import Host, HostKeyChecking
from shipworthy.links.ssh_config_file import File, Values, address, arguments, parse, say

_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_GLOBAL_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_DEFAULT_IDENTITIES = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
_CHECKING: Mapping[str, HostKeyChecking] = {
    "yes": "yes",
    "true": "yes",
    "ask": "yes",
    "accept-new": "accept-new",
    "no": "off",
    "false": "off",
    "off": "off",
}
_FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
_TRUTHS = {"yes": True, "true": True, "no": False, "false": False}

_Meaning = TypeVar("_Meaning")
_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True)
class Settings:
    """How to log in to one host, whatever said so."""

    name: str
    """What the inventory, or a ProxyJump, calls it: for messages."""
    address: str
    port: int
    user: str
    identities: tuple[str, ...]
    """Key files that were named; they must exist."""
    default_identities: tuple[str, ...]
    """Key files that are tried if they exist."""
    agent: str | None
    """The agent's socket, if its keys may be tried."""
    host_key_alias: str | None
    host_key_checking: HostKeyChecking
    known_hosts: tuple[Path, ...]
    """The user's, then the machine's; a new key goes to the first."""
    hash_known_hosts: bool
    proxy_command: str | None
    proxy_jump: tuple[str, ...]
    family: socket.AddressFamily | int
    connect_timeout: float | None
    notices: tuple[str, ...]


def settings_of(host: Host) -> Settings:
    """The settings for a host of the inventory, whose own variables go before all else. Raises `LinkError`."""
    said = {
        "port": host.port,
        "user": host.user,
        "identityfile": host.private_key_file,
        "stricthostkeychecking": host.host_key_checking,
        "connecttimeout": host.connect_timeout,
    }
    # The inventory's own variables are meant as they stand; its options are a piece of configuration.
    values: Values = {keyword: (str(value),) for keyword, value in said.items() if value is not None}
    settings = _settings(_unbracketed(host.address), values, host.ssh_options, host.ssh_config)
    return replace(settings, name=host.name)


_JUMP = re.compile(r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?P<host>\[[^]]+\]|[^:]+)(?::(?P<port>\d+))?/?")


def settings_of_bastion(jump: str, config: str | None) -> Settings:
    """The settings for one hop of a ProxyJump, `[user@]host[:port]`, as the configuration file completes it."""
    match = _JUMP.fullmatch(jump)
    if not match:
        raise LinkError("connect", f"ProxyJump {jump!r} is not of the form [user@]host[:port]")
    values: Values = {keyword: (match[keyword],) for keyword in ("user", "port") if match[keyword]}
    return _settings(_unbracketed(match["host"]), values, (), config)


def _settings(alias: str, values: Values, options: Sequence[tuple[str, str]], file: str | None) -> Settings:
    path = Path(file or "~/.ssh/config").expanduser()
    config = _load(path, required=file is not None)
    try:
        for keyword, value in options:
            say(values, keyword, arguments(keyword, value))
        config.complete(values, alias)
        return _typed(alias, _Values(values), config.notices)
    except (ValueError, KeyError) as error:  # KeyError: who we are is not known here
        raise LinkError("connect", f"ssh configuration {path}, for {alias}: {error}") from None


class _Values:
    """Arguments by keyword, as what they mean; whatever they cannot mean is a ValueError in words."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def all(self, keyword: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        return self._values.get(keyword, default)

    def text(self, keyword: str, default: str = "") -> str:
        first, *more = self.all(keyword, (default,))
        if more:
            raise ValueError(f"{keyword} has more than one value")
        return first

    def one_of(self, keyword: str, meanings: Mapping[str, _Meaning], default: str) -> _Meaning:
        word = self.text(keyword, default).lower()
        if word not in meanings:
            raise ValueError(f"{keyword} {word!r} is none of {', '.join(meanings)}")
        return meanings[word]

    def number(self, keyword: str, default: str, kind: type[_Number]) -> _Number:
        try:
            return kind(self.text(keyword, default))
        except ValueError:
            raise ValueError(f"{keyword} {self.text(keyword)!r} is no number") from None


def _typed(alias: str, found: _Values, notices: tuple[str, ...]) -> Settings:
    where = address({"hostname": (found.text("hostname", alias),)}, alias)
    port = found.number("port", "22", int)
    user = found.text("user") or getpass.getuser()
    tokens = {
        "%": "%",
        "d": str(Path.home()),
        "h": where,
        "k": found.text("hostkeyalias", alias),
        "n": alias,
        "p": str(port),
        "r": user,
        "u": getpass.getuser(),
        "L": socket.gethostname().partition(".")[0],
        "l": socket.gethostname(),
        "i": str(os.getuid()),
    }
    named = found.all("identityfile")
    files = (
        *found.all("userknownhostsfile", _KNOWN_HOSTS),
        *found.all("globalknownhostsfile", _GLOBAL_KNOWN_HOSTS),
    )
    command, jump = found.text("proxycommand"), found.text("proxyjump")
    only = found.one_of("identitiesonly", _TRUTHS, "no")
    return Settings(
        name=alias,
        address=where,
        port=port,
        user=user,
        identities=tuple(_expand(file, tokens) for file in named if file.lower() != "none"),
        default_identities=() if named else tuple(_expand(file, tokens) for file in _DEFAULT_IDENTITIES),
        agent=None if only else _agent(found.text("identityagent"), tokens),
        host_key_alias=found.text("hostkeyalias") or None,
        host_key_checking=found.one_of("stricthostkeychecking", _CHECKING, "yes"),
        known_hosts=tuple(Path(_expand(file, tokens)) for file in files if file.lower() != "none"),
        hash_known_hosts=found.one_of("hashknownhosts", _TRUTHS, "no"),
        proxy_command=_command(command, tokens) if command and command.lower() != "none" else None,
        proxy_jump=() if jump.lower() in ("", "none") else tuple(hop.strip() for hop in jump.split(",")),
        family=found.one_of("addressfamily", _FAMILIES, "any"),
        connect_timeout=_seconds(found),
        notices=notices,
    )


def _seconds(found: _Values) -> float | None:
    if found.text("connecttimeout", "none").lower() == "none":
        return None
    return found.number("connecttimeout", "", float)


def _agent(configured: str, tokens: Mapping[str, str]) -> str | None:
    if configured.lower() == "none":
        return None
    if configured in ("", "SSH_AUTH_SOCK"):
        return os.environ.get("SSH_AUTH_SOCK") or None
    if re.fullmatch(r"\$\w+", configured):
        return os.environ.get(configured[1:]) or None
    return _expand(configured, tokens)


def _expand(text: str, tokens: Mapping[str, str]) -> str:
    """A file's name with its tokens, its `${VARIABLES}` and its `~` filled in, as ssh does it: in one go."""
    home = os.path.expanduser(text)  # noqa: PTH111 a text, not yet a path

    def filled(found: re.Match[str]) -> str:
        if found[1]:
            return _token(found[1], tokens)
        if found[2] not in os.environ:
            raise ValueError(f"${{{found[2]}}} in {text} is not set")
        return os.environ[found[2]]

    return re.sub(r"%(.?)|\$\{(.*?)\}", filled, home)


def _token(letter: str, tokens: Mapping[str, str]) -> str:
    if letter not in tokens:
        raise ValueError(f"%{letter} is not known to the paramiko link")
    return tokens[letter]


def _command(text: str, tokens: Mapping[str, str]) -> str:
    """A ProxyCommand with its tokens filled in; what goes into a shell's line must be free of the shell's signs."""
    for token in "hnr":
        if f"%{token}" in text and not re.fullmatch(r"[\w.:%@+][\w.:%@+-]*", tokens[token]):
            raise ValueError(f"{tokens[token]!r} is not fit for a ProxyCommand")
    return re.sub(r"%(.?)", lambda token: _token(token[1], tokens), text)


def _unbracketed(address: str) -> str:
    return address[1:-1] if address.startswith("[") and address.endswith("]") else address


def _load(path: Path, *, required: bool) -> File:
    try:
        stamp = path.stat()
    except OSError as error:
        if required:
            raise LinkError("connect", f"ssh configuration {path}: {error.strerror}") from None
        return File((), ())
    return _parse(path, stamp.st_mtime_ns, stamp.st_size)


@functools.lru_cache(maxsize=64)
def _parse(path: Path, changed: int, size: int) -> File:  # noqa: ARG001 they are the cache's key
    try:
        return parse(path.read_text(errors="replace"), str(path))
    except OSError as error:
        raise LinkError("connect", f"ssh configuration {path}: {error.strerror}") from None
    except ValueError as error:
        raise LinkError("connect", f"ssh configuration {error}") from None
