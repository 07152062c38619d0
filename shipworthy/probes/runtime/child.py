"""Whatever can block in the kernel is asked in a child, which is left to itself at its deadline.

In: a function, or a command, and seconds. Out: its answer, or `Abandoned`, always in time: a child that is stuck in the
kernel cannot be killed, so it is never waited for, and its descriptors 0 to 2 are not those of the connection.
"""

import json
import os
import select
import signal
import threading
import time
import warnings
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from shipworthy.probes.runtime import switch
from shipworthy.probes.runtime.encode import encode

_LONGEST = 2**21
_STARTED_NOT = 127
_LOOK = 0.05
"""Seconds until it is looked whether it is enough."""
_DYING = 0.1
"""Seconds that a killed child is given, so that it is no zombie, and its bill is in the process's own."""


class Abandoned(Exception):
    """A child gave no answer within its deadline; the text says what it was doing."""


class ChildError(Exception):
    """The function raised in the child, or the child died; the text says how."""


class Completed(NamedTuple):
    """A finished command: exit status (−N: killed by signal N) and what it wrote, cut at the bound that was asked."""

    exit_status: int
    stdout: bytes
    stderr: bytes


def ask(function: Callable[[], Any], seconds: float) -> Any:
    """What `function` returns (as JSON knows it), asked in a child. Raises `Abandoned`, `ChildError`."""
    until = time.monotonic() + seconds
    pid, (answer,) = _fork(1, lambda pipes: _answer(function, pipes[0]))
    (data,), status = _attend(pid, [answer], until, seconds, _LONGEST)
    if not data:
        raise ChildError("the child ended with status {} and no answer".format(status))
    value = json.loads(data.decode("ascii"))
    if "error" in value:
        raise ChildError(value["error"])
    return value["value"]


def tell(
    work: Callable[[Callable[[Any], None]], None], seconds: float, enough: Optional[Callable[[], bool]] = None
) -> List[Any]:
    """All that `work`, in a child, has said by the function that it is given, until it ended or its time was over.

    Or until it is `enough`, which is looked at now and then.

    `work` may say things from several threads. What is said beyond the bound of an answer is lost.
    """
    until = time.monotonic() + seconds
    pid, streams = _fork(1, lambda pipes: _say(work, pipes[0]))
    with _heard(pid, streams) as kept:
        _drain(kept, until, _LONGEST, enough)
        _kill(pid)
        _reap(pid, time.monotonic() + _DYING)
        lines = bytes(kept[streams[0]]).split(b"\n")
    return [json.loads(line.decode("ascii")) for line in lines[:-1]]


def run(command: Sequence[str], seconds: float, at_most: int = 2**20) -> Completed:
    """Run `command` with nothing to read, keeping `at_most` bytes of each stream. Raises `Abandoned`."""
    until = time.monotonic() + seconds
    pid, streams = _fork(2, lambda pipes: _execute(command, pipes))
    (stdout, stderr), status = _attend(pid, streams, until, seconds, at_most)
    return Completed(status, stdout, stderr)


def _fork(outputs: int, work: Callable[[List[int]], None]) -> Tuple[int, List[int]]:
    pipes = [os.pipe() for _ in range(outputs)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of threads: the child only reads and writes
        pid = os.fork()
    if pid == 0:
        try:
            _settle([write for _, write in pipes])
            work([write for _, write in pipes])
        finally:
            os._exit(_STARTED_NOT)
    for _, write in pipes:
        os.close(write)
    return pid, [read for read, _ in pipes]


def _settle(keep: List[int]) -> None:
    """In the child: a session of its own, no descriptor of the connection, plain signals."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in keep:
            try:
                os.close(int(name))
            except OSError:
                continue  # the listing's own descriptor is closed already


def _answer(function: Callable[[], Any], pipe: int) -> None:
    try:
        answer = {"value": encode(function(), "answer")}
    except Exception as error:  # noqa: BLE001 -- the boundary between child and parent: every error becomes data
        answer = {"error": encode("{}: {}".format(type(error).__name__, error))}
    data = json.dumps(answer).encode("ascii")
    while data:
        data = data[os.write(pipe, data) :]
    os._exit(0)


def _say(work: Callable[[Callable[[Any], None]], None], pipe: int) -> None:
    lock = threading.Lock()

    def say(value: Any) -> None:
        data = json.dumps(encode(value, "said")).encode("ascii") + b"\n"
        with lock:
            while data:
                data = data[os.write(pipe, data) :]

    work(say)
    os._exit(0)


def _execute(command: Sequence[str], pipes: List[int]) -> None:
    os.dup2(pipes[0], 1)
    os.dup2(pipes[1], 2)
    try:
        os.execvp(command[0], list(command))  # noqa: S606 -- an argument list, as it should be
    except OSError as error:
        os.write(2, "{}: {}".format(command[0], error.strerror).encode("utf-8", "replace"))


def _attend(pid: int, streams: List[int], until: float, seconds: float, at_most: int) -> Tuple[List[bytes], int]:
    """Drain `streams` and learn how `pid` ended, or kill it at `until` and leave it."""
    with _heard(pid, streams) as kept:
        _drain(kept, until, at_most)
        status = _reap(pid, until)
        if status is None:
            doing = _doing(pid)
            _kill(pid)
            raise Abandoned("no answer within {:g} s: {}".format(seconds, doing))
        return [bytes(kept[stream]) for stream in streams], status


@contextmanager
def _heard(pid: int, streams: List[int]) -> Iterator[Dict[int, bytearray]]:
    """What comes from each stream is kept here; `pid` dies with this process, and the streams are closed."""
    forget = switch.on_end(lambda: _kill(pid))
    try:
        yield {stream: bytearray() for stream in streams}
    finally:
        forget()
        for stream in streams:
            os.close(stream)


def _drain(kept: Dict[int, bytearray], until: float, at_most: int, enough: Optional[Callable[[], bool]] = None) -> None:
    watch = select.poll()
    for stream in kept:
        watch.register(stream, select.POLLIN)
    left = len(kept)
    longest = _LOOK if enough else until
    while left and time.monotonic() < until and not (enough and enough()):
        for stream, _ in watch.poll(min(max(0.0, until - time.monotonic()), longest) * 1000):
            data = os.read(stream, 65536)
            if not data:
                watch.unregister(stream)
                left -= 1
            kept[stream] += data[: at_most - len(kept[stream])]


def _reap(pid: int, until: float) -> Any:
    """The exit status of `pid`, or None when it still runs at `until`."""
    pause = 0.0005
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        if time.monotonic() >= until:
            return None
        select.select([], [], [], pause)  # sleep would wait for a time of a clock, which may not be the kernel's here
        pause = min(pause * 2, 0.02)


def _doing(pid: int) -> str:
    """What `pid` is at, in a few words: its state, and where in the kernel it waits."""
    words = []
    for name, label in (("stat", "state"), ("wchan", "in")):
        try:
            with open("/proc/{}/{}".format(pid, name), "rb") as file:
                text = file.read(4096).decode("ascii", "replace")
        except OSError:
            continue
        if name == "stat":
            text = text.rpartition(")")[2].split()[0]
        if text and text != "0":
            words.append("{} {}".format(label, text))
    return ", ".join(words) or "nothing is known of it"


def _kill(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except OSError:
            continue  # it is gone, or not yet the leader of its group
