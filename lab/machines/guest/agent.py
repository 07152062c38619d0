"""The lab's side channel, on the machine: does what the lab asks over a virtio port, one thing after the other.

In: a line of JSON for each request. Out: a line of JSON for each answer. It does not need the machine's network, and is
never a victim of the OOM killer; what it starts may be.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

PORT = "lab.agent"
_ADD_ENTROPY, _RESEED = 0x40085203, 0x5207
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
_MORTAL = ["sh", "-c", 'echo 0 >/proc/self/oom_score_adj; exec "$@"', "sh"]
_KEEP_IN_MEMORY = 3
"""MCL_CURRENT | MCL_FUTURE."""

Answer = dict[str, object]


class Agent:
    """What the lab may ask for: the methods of these names."""

    def __init__(self) -> None:
        self._started: dict[int, subprocess.Popen[bytes]] = {}

    def run(self, command: Sequence[str], input: str, seconds: float) -> Answer:
        """Run a command; a status of None says that it took too long."""
        process = self._popen(command, subprocess.PIPE)
        try:
            stdout, stderr = process.communicate(_bytes(input), seconds)
        except subprocess.TimeoutExpired:
            _kill(process.pid, signal.SIGKILL)
            return {"status": None}
        return {"status": process.returncode, "stdout": _text(stdout), "stderr": _text(stderr)}

    def start(self, command: Sequence[str]) -> Answer:
        process = self._popen(command, subprocess.DEVNULL)
        self._started[process.pid] = process
        return {"pid": process.pid}

    def ended(self, pid: int) -> Answer:
        return {"ended": pid not in self._started or self._started[pid].poll() is not None}

    def signal(self, pid: int, how: int) -> Answer:
        self._started[pid].send_signal(how)  # which sends none to what has ended
        return {}

    def end(self, pid: int, how: int, seconds: float) -> Answer:
        """Send a signal to what was started; whether it is gone within `seconds`."""
        process = self._started[pid]
        process.send_signal(how)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return {"gone": False}
        del self._started[pid]
        return {"gone": True}

    def restored(self, name: str, hosts: str, now: int, seed: str) -> Answer:
        """What a machine that was saved cannot know: who it is, what time it is, and randomness of its own."""
        time.clock_settime_ns(time.CLOCK_REALTIME, now)
        entropy = bytes.fromhex(seed)
        with Path("/dev/urandom").open("wb") as file:
            fcntl.ioctl(file, _ADD_ENTROPY, struct.pack("ii", len(entropy) * 8, len(entropy)) + entropy)
            fcntl.ioctl(file, _RESEED)
        socket.sethostname(name)
        Path("/etc/hostname").write_text(name + "\n")
        Path("/etc/hosts").write_text(hosts)
        return {}

    def _popen(self, command: Sequence[str], stream: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*_MORTAL, *command],
            stdin=stream,
            stdout=stream,
            stderr=stream,
            cwd="/",
            env=_ENVIRONMENT,
            start_new_session=True,
        )


def _kill(group: int, how: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, how)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _port() -> int:
    """The virtio port of that name, once it is there."""
    while True:
        for name in Path("/sys/class/virtio-ports").glob("*/name"):
            if name.read_text().strip() == PORT:
                return os.open("/dev/" + name.parent.name, os.O_RDWR)
        time.sleep(0.1)


def main() -> None:
    """Serve for ever."""
    ctypes.CDLL(None).mlockall(_KEEP_IN_MEMORY)
    agent, port, pending = Agent(), _port(), b""
    while True:
        got = os.read(port, 65536)
        if not got:  # nobody is at the other end
            time.sleep(0.02)
            continue
        *lines, pending = (pending + got).split(b"\n")
        for line in lines:
            asked = json.loads(line)
            try:
                answer = getattr(agent, asked.pop("what"))(**asked)
            except (OSError, KeyError, TypeError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            told = json.dumps(answer).encode() + b"\n"
            while told:
                told = told[os.write(port, told) :]


if __name__ == "__main__":
    main()
