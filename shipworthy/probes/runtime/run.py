"""The host's side of the wire: start every wanted probe, let the windows pass, and write one JSON document.

In: the request, on standard input. Out: the answer, one line on standard output, before the request's deadline.
Each probe works in a thread of its own, one at a time as long as each is quick: a slow one is overtaken, a stuck one
left behind. A probe's generator runs to its `yield`, waits for the window there, and goes on; a second `yield` asks for
the long window. Meanwhile the caller may ask what time it is here, if it said that it would.
"""

import os
import resource
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from types import FrameType, GeneratorType
from typing import Any, Dict, List, Mapping, Optional, Tuple

from shipworthy.probes.runtime import switch
from shipworthy.probes.runtime.encode import encode, line
from shipworthy.probes.runtime.errors import ParseError
from shipworthy.probes.runtime.exchange import Exchanges
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.request import read_request

PROTOCOL = 1
NICENESS = 10

_PATIENCE = 2.0  # seconds after which a working probe is overtaken by the next; in all at most a quarter of the time
_FINISHING = 2.0  # seconds kept before the deadline for what comes after a window; at most a tenth of it
_EXCHANGING = 3.0  # seconds from the request for which the document waits for questions that are still to come
_PROBES = "shipworthy.probes."


def serve() -> None:
    """What the loader starts: read the request, answer it, and end the process."""
    started = time.monotonic()
    out = os.dup(1)
    os.dup2(2, 1)  # whatever else might print here must not get into the document
    request = read_request()
    exchanges = Exchanges(out, int(request.get("exchanges", 0)))
    switch.arm(out, exchanges.hear)
    exchanges.begin()
    with suppress(OSError):  # where a sandbox forbids it we run as we are
        os.nice(NICENESS)
    data = line(answer(request, Machine(), started))
    exchanges.end(started + min(_EXCHANGING, float(request["deadline"]) / 2))
    while data:
        data = data[os.write(out, data) :]
    # A thread that is stuck in the kernel can keep the process from ending, but must not keep the connection open.
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (out, 1, 2):
        os.dup2(nothing, descriptor)
    switch.end(0)


def answer(request: Mapping[str, Any], machine: Machine, started: float) -> Dict[str, Any]:
    """The answer document for a request document; `started` is the monotonic time from which its deadline counts."""
    deadline = float(request["deadline"])
    until = started + deadline - min(1.0, deadline / 10)
    probes = Probes(request["probes"], machine)
    probes.measure(float(request["window"]), float(request["long_window"]), until, deadline)
    return {
        "protocol": PROTOCOL,
        "host": _host(machine),
        "window": probes.window,
        "cost": _cost(started),
        "probes": probes.outcomes(),
    }


class Probe:
    """One probe at work, in a thread of its own.

    `idle` is set while it waits at a `yield` and when it is done.
    """

    def __init__(self, name: str, fields: Mapping[str, Any], machine: Machine, stirred: threading.Event) -> None:
        self.name = name
        self.version = 0
        self.outcome: Optional[Dict[str, Any]] = None
        self.samples = 0
        self.first_sample = 0.0
        self.seconds = 0.0
        self._fields = fields
        self._machine = machine
        self._stirred = stirred
        self._idle = threading.Event()
        self._go = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    @property
    def done(self) -> bool:
        return self.outcome is not None

    @property
    def waiting(self) -> bool:
        return self._idle.is_set() and not self.done

    def start(self, patience: float) -> None:
        self._thread.start()
        self._idle.wait(patience)

    def advance(self, patience: float) -> None:
        self._idle.clear()
        self._go.set()
        self._idle.wait(patience)

    def where(self) -> str:
        """Where the thread is now: `machine.py:41 (memory.py:88)`."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        return _place(_frames(frame), self.name)

    def _work(self) -> None:
        try:
            reading = self._read()
            self.outcome = {"version": self.version, "reading": encode(reading), "seconds": self.seconds}
        except BaseException as error:  # noqa: BLE001 -- the boundary that turns a probe's error into data
            self.outcome = {"version": self.version, "error": encode(describe(error, self.name))}
        self._idle.set()
        self._stirred.set()

    def _read(self) -> Any:
        module = import_module(_PROBES + self.name)
        self.version = module.VERSION
        steps = module.probe(self._machine, module.Request(**self._fields))
        reading = self._drive(steps) if isinstance(steps, GeneratorType) else steps
        if not isinstance(reading, module.READING):
            raise TypeError("the probe returned {}, no {}".format(type(reading).__name__, module.READING.__name__))
        return reading

    def _drive(self, steps: Any) -> Any:
        try:
            next(steps)
            while True:
                steps.send(self._wait())
        except StopIteration as end:
            return end.value

    def _wait(self) -> float:
        if self.samples == 2:
            raise RuntimeError("the probe yields a third time")
        if self.samples == 0:
            self.first_sample = time.monotonic()
        self.samples += 1
        self._idle.set()
        self._stirred.set()
        self._go.wait()
        self._go.clear()
        self.seconds = time.monotonic() - self.first_sample
        return self.seconds


class Probes:
    """All probes of one request."""

    def __init__(self, requests: Mapping[str, Mapping[str, Any]], machine: Machine) -> None:
        self._stirred = threading.Event()
        self._probes = [Probe(name, fields, machine, self._stirred) for name, fields in requests.items()]
        self._deadline = 0.0

    @property
    def window(self) -> float:
        """Seconds between the first and the last samples; 0 when no probe has rates."""
        return max([probe.seconds for probe in self._probes] or [0.0])

    def measure(self, window: float, long_window: float, until: float, deadline: float) -> None:
        """Work until every probe is done, at the latest until the monotonic time `until`."""
        self._deadline = deadline
        patience = min(_PATIENCE, deadline / 4 / max(1, len(self._probes)))
        for probe in self._probes:
            probe.start(patience)
        while True:
            self._stirred.clear()  # before looking: a probe that stirs from here on is not overlooked
            if all(probe.done for probe in self._probes):
                return
            now = time.monotonic()
            if now >= until:
                return
            due, later = self._due(now, window, long_window, until - min(_FINISHING, deadline / 10))
            for probe in due:
                probe.advance(min(patience, max(0.0, until - time.monotonic())))
            if not due:
                self._stirred.wait(min(later + [until]) - now)

    def outcomes(self) -> Dict[str, Any]:
        return {probe.name: probe.outcome or self._unfinished(probe) for probe in self._probes}

    def _due(self, now: float, window: float, long_window: float, latest: float) -> Tuple[List[Probe], List[float]]:
        """The probes whose window has passed, and the times when others' will have."""
        due, later = [], []
        for probe in self._probes:
            if probe.waiting:
                at = min(probe.first_sample + (window if probe.samples == 1 else long_window), latest)
                if at <= now:
                    due.append(probe)
                else:
                    later.append(at)
        return due, later

    def _unfinished(self, probe: Probe) -> Dict[str, Any]:
        error = "Unfinished: not done {:g} s after the request, at {}".format(self._deadline, probe.where())
        return {"version": probe.version, "error": error}


def describe(error: BaseException, name: str) -> str:
    """An error in one line, with its place in the probe's file: `PermissionError: … (memory.py:88)`."""
    text = " ".join(str(error).splitlines())
    frames, trace = [], error.__traceback__
    while trace is not None:
        frames.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    place = _place(frames, name)
    return "{}: {} ({})".format(type(error).__name__, text, place)


def _place(frames: List[Tuple[str, int]], name: str) -> str:
    """The innermost frame in the probe's own file, or the innermost of all."""
    own = [frame for frame in frames if os.path.basename(frame[0]) == name + ".py"]
    file, number = (own or frames or [("?", 0)])[-1]
    return "{}:{}".format(os.path.basename(file), number)


def _frames(frame: Optional[FrameType]) -> List[Tuple[str, int]]:
    found: List[Tuple[str, int]] = []
    while frame is not None:
        found.insert(0, (frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return found


def _host(machine: Machine) -> Dict[str, Any]:
    """What a snapshot must know of its host: which boot, which kernel, which Python, who asked, when."""
    return {
        "python": "{}.{}.{}".format(*sys.version_info[:3]),
        "boot_id": _line(machine, "/proc/sys/kernel/random/boot_id"),
        "uid": os.geteuid(),
        "time": time.time(),
        "uptime": _uptime(machine),
        "kernel": os.uname().release,
        "machine": os.uname().machine,
    }


def _line(machine: Machine, path: str) -> Optional[str]:
    try:
        return encode(machine.read(path).strip()) or None
    except OSError:
        return None


def _uptime(machine: Machine) -> Optional[float]:
    try:
        return machine.uptime()
    except (OSError, ParseError):
        return None


def _cost(started: float) -> Dict[str, Any]:
    """What this run took from the host, the interpreter's start and finished children included."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "cpu_seconds": own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
        "max_rss_bytes": max(own.ru_maxrss, children.ru_maxrss) * 1024,
        "wall_seconds": time.monotonic() - started,
    }
