"""From the login to the marker, over recorded conversations: noise, sudo, and every other end."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

import pytest

from shipworthy.errors import LinkError
from shipworthy.inventory import Become, Host, Secret
from shipworthy.links import Deadlines, open_link
from shipworthy.links.become import prompt
from shipworthy.links.handshake import NOISE_BYTES, Started, as_user, start

NONCE = "0123abcd"
MARKER = f"SHIPWORTHY-{NONCE}\n".encode()
PROMPT = prompt(NONCE).encode()
SUDO = Become("root", Secret("hunter2"))
NO_PASSWORD = Become("root")


@dataclass
class Recorded:
    """A conversation whose host says these pieces, (stdout, stderr), one a read."""

    pieces: list[tuple[bytes, bytes]]
    status: int | None = 0
    silent: bool = False
    written: bytes = b""
    closed: bool = field(default=False)

    def write(self, data: bytes, until: float | None = None) -> None:  # noqa: ARG002 the protocol's
        self.written += data

    def close_input(self) -> None:
        raise AssertionError

    def read(self, until: float) -> tuple[bytes, bytes]:
        if self.pieces:
            return self.pieces.pop(0)
        time.sleep(max(0.0, until - time.monotonic()))
        return b"", b""

    def wake(self) -> None:
        raise AssertionError

    @property
    def finished(self) -> bool:
        return not self.pieces and not self.silent

    @property
    def exit_status(self) -> int | None:
        return self.status

    def close(self) -> None:
        self.closed = True


def begin(talk: Recorded, become: Become | None = None, seconds: float = 60) -> Started:
    return start(talk, become=become, nonce=NONCE, until=time.monotonic() + seconds, rungs={})


@pytest.mark.parametrize(
    ("pieces", "rest"),
    [
        ([(MARKER, b"")], b""),
        ([(MARKER + b'{"a": 1}\n', b"")], b'{"a": 1}\n'),
        ([(b"Welcome to db1\n\n", b"warning\n"), (MARKER, b"")], b""),
        ([(b"a motd without an end" + MARKER + b"x", b"")], b"x"),
        ([(MARKER[:5], b""), (MARKER[5:-1], b""), (MARKER[-1:] + b"y", b"")], b"y"),
        ([(b"SHIPWORTHY-ffff\n" + MARKER, b"")], b""),
        ([(b"x" * (NOISE_BYTES - 100) + MARKER, b"")], b""),
        ([(f"+ SHIPWORTHY-{NONCE} is on its way\n".encode() + MARKER, b"")], b""),
    ],
)
def test_the_marker_is_found_in_whatever_a_login_shell_says(pieces: list[tuple[bytes, bytes]], rest: bytes) -> None:
    talk = Recorded(pieces, silent=True)
    assert begin(talk) == Started("", rest)
    assert talk.written == b""


def test_the_marker_tells_which_bytecode_the_python_knows() -> None:
    marker = f"SHIPWORTHY-{NONCE} magic a70d0d0a\n".encode()
    assert begin(Recorded([(marker[:30], b""), (marker[30:] + b"rest", b"")])) == Started("a70d0d0a", b"rest")


@pytest.mark.parametrize("magic", ["", "a70d0d", "A70D0D0A", "a70d0d0g", "a70d0d0a0", "a70d0d0a\r", "a" * 100_000])
def test_a_magic_that_is_none_is_no_marker(magic: str) -> None:
    talk = Recorded([(f"SHIPWORTHY-{NONCE} magic {magic}\n".encode() + MARKER + b"rest", b"")], silent=True)
    assert begin(talk) == Started("", b"rest")


def test_the_time_is_told_by_rung() -> None:
    for become, rung in ((None, "python"), (SUDO, "become")):
        rungs: dict[str, float] = {}
        start(Recorded([(MARKER, b"")]), become=become, nonce=NONCE, until=time.monotonic() + 1, rungs=rungs)
        assert list(rungs) == [rung]


def test_the_password_is_written_once_after_the_prompt() -> None:
    talk = Recorded([(b"", b"lecture\n" + PROMPT[:4]), (b"", PROMPT[4:]), (MARKER, b"\n")])
    assert begin(talk, SUDO).rest == b""
    assert talk.written == b"hunter2\n"


def test_nopasswd_is_sent_no_password() -> None:
    talk = Recorded([(b"motd Password: [sudo] password for root:\n", b"Password:"), (MARKER, b"")])
    assert begin(talk, SUDO).rest == b""
    assert talk.written == b""


@pytest.mark.parametrize(
    ("become", "pieces", "status", "expected"),
    [
        (
            SUDO,
            [(b"", PROMPT), (b"", b"\nSorry, try again.\n" + PROMPT)],
            1,
            "become: sudo did not accept the password",
        ),
        (
            SUDO,
            [(b"", PROMPT), (b"", b"\nsudo: 1 incorrect password attempt\n")],
            1,
            "become: sudo: 1 incorrect password attempt",
        ),
        (
            NO_PASSWORD,
            [(b"", PROMPT)],
            1,
            "become: sudo asks for a password, and none is configured (ansible_become_password)",
        ),
        (
            Become("root", Secret("two\nlines")),
            [(b"", PROMPT)],
            1,
            "become: the sudo password holds a line break, which sudo cannot read",
        ),
        (SUDO, [(b"", b"bash: line 1: sudo: command not found\n")], 127, "become: sudo is not installed"),
        (SUDO, [(b"", b"sh: 1: sudo: not found\n")], 127, "become: sudo is not installed"),
        (
            SUDO,
            [(b"", PROMPT), (b"", b"\nme is not in the sudoers file.\nThis incident has been reported.\n")],
            1,
            "become: me is not in the sudoers file.",
        ),
        (
            SUDO,
            [(b"", PROMPT), (b"", b"\nSorry, user me is not allowed to execute '/bin/sh' as root on db1.\n")],
            1,
            "become: Sorry, user me is not allowed to execute '/bin/sh' as root on db1.",
        ),
        (
            SUDO,
            [(b"", b"sudo: sorry, you must have a tty to run sudo\n")],
            1,
            "become: sudo: sorry, you must have a tty to run sudo",
        ),
        (
            SUDO,
            [(b"", b"sudo: hunter2: \x1b[31mnot\x07 found\n")],
            1,
            "become: sudo: ********: [31mnot found",
        ),
        (
            SUDO,
            [(b"", b"sudo: unable to resolve host db1\nlogin is closed\n")],
            1,
            "session: the login shell ended with status 1 before the probe began: login is closed",
        ),
        (
            None,
            [(b"This account is not available.\n", b"")],
            1,
            "session: the login shell ended with status 1 before the probe began: This account is not available.",
        ),
        (None, [], 0, "session: the login shell ended with status 0 before the probe began"),
        (None, [], -9, "session: the login shell was killed by signal 9 before the probe began"),
        (None, [(b"half", b"")], None, "session: the connection ended before the probe began"),
        (
            None,
            [(f"SHIPWORTHY-{NONCE} no-python python3 /usr/libexec/platform-python\n".encode(), b"")],
            127,
            "python: no Python 3.6 or later on the host: tried python3 /usr/libexec/platform-python",
        ),
    ],
)
def test_every_other_end_is_one_line(
    become: Become | None, pieces: list[tuple[bytes, bytes]], status: int | None, expected: str
) -> None:
    with pytest.raises(LinkError) as caught:
        begin(Recorded(pieces, status), become)
    assert str(caught.value) == expected
    assert "hunter2" not in repr(caught.value)


def test_endless_noise_is_ended() -> None:
    with pytest.raises(LinkError) as caught:
        begin(Recorded([(b"blah \x1b[1m\n" * 1000, b"e" * 100_000)] * 1000, silent=True))
    assert caught.value.rung == "session"
    assert caught.value.reason.startswith("over 256 KiB of noise before the probe, beginning 'blah [1m blah")


def test_silence_is_ended_at_the_deadline() -> None:
    for become, rung in ((None, "session"), (SUDO, "become")):
        with pytest.raises(LinkError) as caught:
            begin(Recorded([(b"", b"Verification code: ")], silent=True), become, seconds=0.2)
        assert caught.value.rung == rung
        assert re.fullmatch(r"the probe did not begin within [\d.]+ m?s: Verification code:", caught.value.reason)


def test_the_command_is_quoted_whole() -> None:
    import shlex

    line = as_user("echo 'it''s' \"$HOME\"; exit 3", Become("o'brien"), NONCE)
    assert shlex.split(line) == [
        *("sudo", "-S", "-H", "-p", prompt(NONCE), "-u", "o'brien", "--"),
        *("/bin/sh", "-c", "echo 'it''s' \"$HOME\"; exit 3"),
    ]


def test_a_marker_comes_through_a_real_link() -> None:
    command = f"echo motd; printf 'SHIPWORTHY-%s\\n' {NONCE}; cat"
    with open_link(Host("here", "here", connection="local"), Deadlines(), {}) as link, link.converse(command) as talk:
        until = time.monotonic() + 10
        assert start(talk, become=None, nonce=NONCE, until=until, rungs=link.rungs).rest == b""
        talk.write(b"after")
        assert talk.read(until)[0] == b"after"
        talk.close_input()
        assert talk.read(until) == (b"", b"")
        assert talk.finished
        assert talk.exit_status == 0
