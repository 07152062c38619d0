"""The lab's end of a machine's side channel: one question at a time, each with a deadline.

In: the socket of QEMU's virtio port. Out: what guest/agent.py answers.
"""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

from lab.errors import LabError
from lab.waiting import wait_until

_GRACE = 30.0
"""What a busy machine may take, emulated and beside others, over the time that was given to a command."""


class Channel:
    """A conversation with one machine's agent."""

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._turn = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX)
        wait_until(lambda: self._connected(path), within=20, what=f"{name}'s QEMU")
        self._lines = self._socket.makefile("r")

    def ask(self, what: str, *, within: float = 0.0, **asked: object) -> dict[str, object]:
        """The agent's answer to a question that may take so long; raises LabError when none comes."""
        with self._turn:
            self._socket.settimeout(within + _GRACE)
            try:
                self._socket.sendall(json.dumps({"what": what, **asked}).encode() + b"\n")
                line = self._lines.readline()
            except TimeoutError as error:
                raise LabError(f"{self._name}: no answer over its side channel") from error
            except ConnectionError:
                line = ""
        if not line:
            raise LabError(f"{self._name}: the machine has ended")
        answer: dict[str, object] = json.loads(line)
        if "error" in answer:
            raise LabError(f"{self._name}: {answer['error']}")
        return answer

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def _connected(self, path: Path) -> bool:
        try:
            self._socket.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True
