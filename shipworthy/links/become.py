"""Becoming another user by sudo: the command line, and who sees the password when.

The password is written only after sudo's own prompt, which carries a nonce, was seen; seen twice, it was wrong, and
that is the end. Where sudo wants none, none is ever sent: it would be read by whatever sudo started.
"""

from __future__ import annotations

import re
import shlex

from shipworthy.errors import LinkError
from shipworthy.inventory import Become, Secret
from shipworthy.links.text import one_line

_REFUSAL = re.compile(rb"^(.*\bsudo: .*|Sorry, user .*|.* not in the sudoers file.*)$", re.M)

_BESIDES = re.compile(rb"unable to resolve host|error initializing audit plugin")
"""What sudo says besides, and is not why."""


def prompt(nonce: str) -> str:
    """What sudo asks with; nothing else on the host knows it beforehand."""
    return f"SHIPWORTHY-SUDO-{nonce}:"


def as_user(command: str, become: Become, nonce: str) -> str:
    """`command`, a line for a POSIX shell, as a line that runs it by sudo as `become` says."""
    arguments = ["sudo", "-S", "-H", "-p", prompt(nonce), "-u", become.user, "--", "/bin/sh", "-c", command]
    return shlex.join(arguments)


class SudoTalk:
    """Watches a command's standard error for sudo's prompt, and says what to answer."""

    def __init__(self, become: Become, nonce: str) -> None:
        self._password = become.password
        self._prompt = prompt(nonce).encode()
        self._seen = bytearray()
        self._answered = False

    def hear(self, stderr: bytes) -> bytes | None:
        """The next bytes of standard error → what to write to standard input now, or None.

        Raises `LinkError("become", …)`.
        """
        self._seen += stderr
        place = self._seen.find(self._prompt)
        if place < 0:
            del self._seen[: -len(self._prompt)]
            return None
        del self._seen[: place + len(self._prompt)]
        if self._answered:
            raise LinkError("become", "sudo did not accept the password")
        self._answered = True
        return _answer(self._password)


def _answer(password: Secret | None) -> bytes:
    if password is None:
        raise LinkError("become", "sudo asks for a password, and none is configured (ansible_become_password)")
    if "\n" in password.reveal() or "\r" in password.reveal():
        raise LinkError("become", "the sudo password holds a line break, which sudo cannot read")
    return password.reveal().encode() + b"\n"


def refusal(stderr: bytes, become: Become, nonce: str, exit_status: int | None) -> str | None:
    """Why sudo did not run the command, as it says itself; None if the end was not sudo's doing."""
    said = stderr.replace(prompt(nonce).encode(), b"")
    if exit_status == 127 and re.search(rb"\bsudo\b.*not found", said):
        return "sudo is not installed"
    lines = [line for match in _REFUSAL.finditer(said) if not _BESIDES.search(line := match.group(0))]
    return one_line(lines[-1], hiding=(become.password,)) if lines else None
