"""`python -m shipworthy.probes memory …`: run probes on this machine, or on a recorded tree, and print their JSON.

In: names of probes; `--root DIR` reads DIR/proc/meminfo instead of /proc/meminfo, and so on; `--then DIR2 --seconds N`
is the same tree N seconds later; `--request FILE` is what they are asked, as JSON: `{"memory": {"rates": false}}`. Out:
one document, `{"memory": {"version": 1, "reading": …}}`; exit status 0, or 6 when a probe could not do its work, 4 for
wrong usage.
"""

import argparse
import json
import math
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from types import GeneratorType
from typing import Any, Dict, NoReturn, Optional, Sequence

from shipworthy.probes.runtime import probe_names
from shipworthy.probes.runtime.encode import encode
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.run import Probes, describe

USAGE, NOT_MEASURED = 4, 6


class Parser(argparse.ArgumentParser):
    """argparse with the project's exit status for wrong usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, "{}: {}\n".format(self.prog, message))


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the probes that `arguments` name, print their document, and say how it went."""
    options = _options(arguments)
    asked = {name: options.request.get(name, {}) for name in options.probes}
    if options.root:
        document = {name: recorded(name, asked[name], options) for name in options.probes}
    else:
        document = live(asked, options.window)
    try:
        sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # a reader that has enough is no error
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return NOT_MEASURED if any("error" in outcome for outcome in document.values()) else 0


def live(asked: Dict[str, Any], window: float) -> Dict[str, Any]:
    """The probes' outcomes on this machine."""
    probes = Probes(asked, Machine())
    deadline = window + 60.0
    probes.measure(window, max(10.0, window), time.monotonic() + deadline, deadline)
    return probes.outcomes()


def recorded(name: str, asked: Dict[str, Any], options: argparse.Namespace) -> Dict[str, Any]:
    """A probe's outcome on a recorded tree, without a clock: the window is what the recording says."""
    module = import_module("shipworthy.probes." + name)
    machine = Machine(options.root)
    passed = options.seconds if options.then and options.seconds else 0.0
    try:
        steps = module.probe(machine, module.Request(**asked))
        reading = _drive(steps, machine, options.then, passed) if isinstance(steps, GeneratorType) else steps
        return {"version": module.VERSION, "reading": encode(reading), "seconds": passed}
    except Exception as error:  # noqa: BLE001 -- the boundary that turns a probe's error into data
        return {"version": module.VERSION, "error": encode(describe(error, name))}


def _drive(steps: Any, machine: Machine, then: Optional[str], seconds: float) -> Any:
    try:
        next(steps)
        while True:
            machine.root = then or machine.root
            steps.send(seconds)
    except StopIteration as end:
        return end.value


def _options(arguments: Optional[Sequence[str]]) -> argparse.Namespace:
    parser = Parser("python -m shipworthy.probes", description="Run probes here and print what they read.")
    parser.add_argument("probes", nargs="+", metavar="PROBE", help=", ".join(probe_names()))
    parser.add_argument("--root", metavar="DIR", help="read a recorded tree instead of this machine")
    parser.add_argument("--then", metavar="DIR", help="the same tree after the window")
    parser.add_argument("--seconds", type=_seconds, metavar="N", help="how long after")
    parser.add_argument("--window", type=_seconds, metavar="N", default=1.0, help="on this machine; default 1")
    parser.add_argument("--request", type=_request, metavar="FILE", default={}, help="what they are asked; default all")
    options = parser.parse_args(arguments)
    for name in options.probes:
        if name not in probe_names():
            parser.error("no probe is called {!r}; there are {}".format(name, ", ".join(probe_names())))
    for folder in (options.root, options.then):
        if folder is not None and not Path(folder).is_dir():
            parser.error("{} is no directory".format(folder))
    if options.then and not options.root:
        parser.error("--then needs --root")
    if bool(options.then) != bool(options.seconds):
        parser.error("--then and --seconds go together")
    return options


def _request(path: str) -> Dict[str, Any]:
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not isinstance(found, dict) or not all(isinstance(value, dict) for value in found.values()):
        raise argparse.ArgumentTypeError("{} holds no requests by name".format(path))
    return found


def _seconds(text: str) -> float:
    seconds = float(text)
    if not (math.isfinite(seconds) and seconds > 0):
        raise argparse.ArgumentTypeError("{} is no length of time".format(text))
    return seconds


if __name__ == "__main__":
    sys.exit(main())
