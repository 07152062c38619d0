"""The dead-man's switch: when standard input ends, the caller is gone, and so is this process, within a moment.

In: clean-ups that must happen whatever comes, and who is told what comes on standard input. Out: nothing; the process
ends.
"""

import contextlib
import os
import signal
import threading
from typing import Any, Callable, List

GONE = 3
"""The exit status of a process whose caller went."""

PATIENCE = 2.0
"""Seconds that all clean-ups may take together."""

_clean_ups: List[Callable[[], None]] = []
_outs: List[int] = []
_once = threading.Lock()


def arm(out: int, hear: Callable[[bytes], None], descriptor: int = 0) -> None:
    """Watch `descriptor`; at its end, and on SIGTERM, SIGHUP and SIGINT, clean up and end the process.

    From then on nothing that is written to `out`, the connection, is heard. What comes until then is given to `hear`.
    """
    _outs.append(out)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _on_signal)
    threading.Thread(target=_watch, args=(descriptor, hear), daemon=True).start()


def on_end(clean_up: Callable[[], None]) -> Callable[[], None]:
    """Have `clean_up` called when the process ends before its time; call what is returned when it is done otherwise."""
    _clean_ups.append(clean_up)

    def forget() -> None:
        if clean_up in _clean_ups:
            _clean_ups.remove(clean_up)

    return forget


def end(status: int) -> None:
    """Clean up, newest first, and end the process, also when threads or clean-ups hang. Never returns."""
    if not _once.acquire(False):
        threading.Event().wait()  # another thread is ending the process: wait for that
    _fall_silent()
    if _clean_ups:
        work = threading.Thread(target=_clean_up, daemon=True)
        work.start()
        work.join(PATIENCE)
    os._exit(status)


def _fall_silent() -> None:
    """Whoever still waits for a child that is cleaned away must not tell of it as if the child had failed."""
    with contextlib.suppress(OSError):  # out of descriptors: what is said then is heard by nobody
        for out in _outs:
            os.dup2(os.open(os.devnull, os.O_WRONLY), out)


def _clean_up() -> None:
    while _clean_ups:
        try:
            _clean_ups.pop()()
        except Exception:  # noqa: BLE001, S112 -- nobody is left to be told, and the next clean-up must have its turn
            continue


def _watch(descriptor: int, hear: Callable[[bytes], None]) -> None:
    with contextlib.suppress(OSError):  # a standard input that cannot be read, or an output that cannot be written
        while True:
            data = os.read(descriptor, 65536)
            if not data:
                break
            hear(data)
    end(GONE)


def _on_signal(number: int, frame: Any) -> None:  # noqa: ARG001 -- signal's form
    # In a thread: the signal may have come while this one was ending the process itself.
    threading.Thread(target=end, args=(GONE,), daemon=True).start()
