"""Who we are: keys from files and the agent, and passwords, in the order in which they are least likely to lock us out.

In: a transport whose host key was verified. Out: nothing; the transport is authenticated, or `LinkError` says which
keys and methods were tried and what the server would take. A password is in no message.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from paramiko.agent import AgentSSH

from shipworthy.errors import LinkError
from shipworthy.inventory import Secret
from shipworthy.links.known_hosts import fingerprint
from shipworthy.links.ssh_config import Settings
from shipworthy.links.text import one_line, seconds_as_text
from shipworthy.links.transport import Transport
from shipworthy.links.watchdog import guard

_RUNG = "authentication"
_AGENT_SECONDS = 5.0


@dataclass(frozen=True)
class _Attempt:
    method: str
    shown: str
    make: Callable[[], Sequence[str]] = field(repr=False)
    """Try it; returns the methods that the server wants besides, none if it is content."""


class _Agent(AgentSSH):
    """The agent behind one socket, with a deadline, and never forwarded."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._opened = socket.socket(socket.AF_UNIX)
        self._opened.settimeout(_AGENT_SECONDS)
        self._opened.connect(path)
        self._connect(self._opened)  # type: ignore[attr-defined]

    def close(self) -> None:
        self._opened.close()


def authenticate(transport: Transport, settings: Settings, password: Secret | None, *, seconds: float) -> None:
    """Log in as `settings.user` within `seconds`. Raises `LinkError("authentication", …)`."""
    until = time.monotonic() + seconds
    with guard(until, transport.close) as deadline, contextlib.ExitStack() as stack:
        problems: list[str] = []
        attempts = list(_attempts(transport, settings, password, stack, problems))
        if not attempts:
            reason = "; ".join(problems) or "no key and no password to log in with"
            raise LinkError(_RUNG, f"nothing to log in with as {settings.user}: {reason}")
        tried: list[str] = []
        try:
            methods = _climb(attempts, tried)
            if methods is None:
                return
            methods = methods or _offered(transport, settings.user)
        except (paramiko.SSHException, EOFError, OSError) as error:
            if deadline.fired:
                raise LinkError(_RUNG, f"no answer within {seconds_as_text(seconds)}") from None
            raise LinkError(_RUNG, _refused(settings.user, tried, (), [*problems, _closed(error)])) from None
    raise LinkError(_RUNG, _refused(settings.user, tried, methods, problems))


def _climb(attempts: Sequence[_Attempt], tried: list[str]) -> Sequence[str] | None:
    """Make the attempts in turn, as far as the server allows their methods.

    Returns None when logged in, otherwise the methods that the server takes, as far as it said. Raises SSHException,
    EOFError or OSError when the connection ends.
    """
    allowed: Sequence[str] | None = None
    secret_refused = False
    for attempt in attempts:
        is_secret = attempt.method != "publickey"
        if (allowed is not None and attempt.method not in allowed) or (is_secret and secret_refused):
            continue
        try:
            allowed = attempt.make()
        except paramiko.BadAuthenticationType as error:
            allowed = error.allowed_types
            continue
        except paramiko.AuthenticationException as error:
            if "EOF" in str(error):
                raise
            tried.append(attempt.shown)
            secret_refused |= is_secret
            continue
        if not allowed:
            return None
        tried.append(f"{attempt.shown} (accepted, and not enough)")
    return allowed or ()


def _offered(transport: Transport, user: str) -> Sequence[str]:
    """The methods that the server takes; it only says so when it is asked for one that it does not."""
    try:
        transport.auth_none(user)
    except paramiko.BadAuthenticationType as error:
        return error.allowed_types
    except paramiko.SSHException:
        pass
    return ()


def _refused(user: str, tried: Sequence[str], methods: Sequence[str], problems: Sequence[str]) -> str:
    what = f"not accepted as {user}: {', '.join(tried)}" if tried else f"not accepted as {user}"
    takes = f"the server takes {one_line(', '.join(methods))}" if methods else ""
    return "; ".join(part for part in (what, takes, *problems) if part)


def _closed(error: Exception) -> str:
    said = "" if isinstance(error, EOFError) or "EOF" in str(error) else one_line(str(error))
    return f"the server closed the connection{f': {said}' if said else ''}"


def _attempts(
    transport: Transport,
    settings: Settings,
    password: Secret | None,
    stack: contextlib.ExitStack,
    problems: list[str],
) -> Iterator[_Attempt]:
    """Named key files, the agent's keys, default key files, the password; with a password, only what was named."""
    agent = _agent_keys(settings.agent, stack, problems)
    offered: set[bytes] = set()
    for path in settings.identities:
        key = _load(path, agent, problems)
        if key is not None and key.asbytes() not in offered:
            offered.add(key.asbytes())
            yield _key_attempt(transport, settings.user, key, path)
    if password is not None:
        yield from _password_attempts(transport, settings.user, password)
        return
    for key in agent:
        if key.asbytes() not in offered:
            offered.add(key.asbytes())
            yield _key_attempt(transport, settings.user, key, "agent")
    for path in settings.default_identities:
        if Path(path).exists() and (key := _load(path, agent, problems)) and key.asbytes() not in offered:
            yield _key_attempt(transport, settings.user, key, path)


def _key_attempt(transport: Transport, user: str, key: paramiko.PKey, origin: str) -> _Attempt:
    shown = f"key {origin} ({fingerprint(key.asbytes())})"
    return _Attempt("publickey", shown, lambda: transport.auth_publickey(user, key))


def _password_attempts(transport: Transport, user: str, password: Secret) -> Iterator[_Attempt]:
    answered = False

    def answer(title: str, instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:  # noqa: ARG001 paramiko's call
        nonlocal answered
        # One hidden question is for the password, once; asked again, it was wrong, and an empty answer ends it.
        if answered or len(prompts) != 1 or prompts[0][1]:
            return [""] * len(prompts)
        answered = True
        return [password.reveal()]

    yield _Attempt("password", "password", lambda: transport.auth_password(user, password.reveal(), fallback=False))
    yield _Attempt(
        "keyboard-interactive",
        "password (keyboard-interactive)",
        lambda: transport.auth_interactive(user, answer),
    )


def _agent_keys(path: str | None, stack: contextlib.ExitStack, problems: list[str]) -> list[paramiko.PKey]:
    if path is None:
        return []
    try:
        agent = _Agent(path)
    except (OSError, paramiko.SSHException) as error:
        # An agent that is gone is common, and is no problem to a login that needs none.
        problems.append(f"agent {path}: {one_line(str(error))}")
        return []
    stack.callback(agent.close)
    return list(agent.get_keys())


def _load(path: str, agent: Sequence[paramiko.PKey], problems: list[str]) -> paramiko.PKey | None:
    try:
        stamp = Path(path).stat()
        return _read_key(path, stamp.st_mtime_ns)
    except OSError as error:
        problems.append(f"key file {path}: {(error.strerror or str(error)).lower()}")
    except paramiko.PasswordRequiredException:
        public = _public_half(path)
        for key in agent:
            if key.asbytes() == public:
                return key
        problems.append(f"key file {path} is encrypted, and the agent does not hold it")
    except (paramiko.SSHException, ValueError, UnsupportedAlgorithm, paramiko.pkey.UnknownKeyType):
        problems.append(f"key file {path} holds no private key that paramiko knows")
    return None


@functools.lru_cache(maxsize=256)
def _read_key(path: str, changed: int) -> paramiko.PKey:  # noqa: ARG001 it is the cache's key
    try:
        return paramiko.PKey.from_path(path)
    except TypeError:
        # cryptography's word for a key whose passphrase was not given.
        raise paramiko.PasswordRequiredException("encrypted") from None
    except (paramiko.SSHException, ValueError, struct.error):
        return _read_unpadded_key(path)


def _read_unpadded_key(path: str) -> paramiko.PKey:
    """A key that paramiko takes for broken: with no comment, and no padding either (half of all such ECDSA keys)."""
    key = serialization.load_ssh_private_key(Path(path).read_bytes(), None)
    loaded: paramiko.PKey
    match key:
        case ec.EllipticCurvePrivateKey():
            loaded = paramiko.ECDSAKey(vals=(key, key.public_key()))
        case rsa.RSAPrivateKey():
            loaded = paramiko.RSAKey(key=key)
        case _:
            raise ValueError(path)
    if Path(f"{path}-cert.pub").exists():
        loaded.load_certificate(f"{path}-cert.pub")
    return loaded


def _public_half(path: str) -> bytes | None:
    """The public key beside an encrypted one, by which the agent knows it."""
    try:
        return base64.b64decode(Path(f"{path}.pub").read_text().split()[1], validate=True)
    except (OSError, IndexError, ValueError):
        return None
