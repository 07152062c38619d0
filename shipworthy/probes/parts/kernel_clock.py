"""The kernel's own account of its clock: how wrong it may be by now, whoever set it.

In: adjtimex(2), which needs no privilege to be read; of a recorded tree, what adjtimex(8) printed. Out: `Kernel`.
Whoever keeps a clock tells the kernel how wrong it may be at most; from then on the kernel adds 500 µs each second. At
16 s, after nine hours, it takes the clock for unsynchronised.
Source: adjtimex(2); kernel/time/ntp.c second_overflow; systemd's ntp_synced, which goes by this bound and not by
STA_UNSYNC, since chronyd leaves that set unless it is told to keep the hardware clock (`rtcsync`).
"""

import os
from typing import NamedTuple

from shipworthy.probes.parts.commands import output
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import lines_of, number

RECORDED = ("adjtimex", "--print")
_MOST = 16.0
_FIELDS = ("offset", "freq", "maxerror", "esterror")


class Kernel(NamedTuple):
    """The kernel's view of its clock."""

    synchronised: bool
    most_wrong_seconds: float
    """The most that the clock may be wrong by; 16 s and no more when nobody has told."""


def read_kernel(machine: Machine) -> Kernel:
    """What the kernel says. Raises NotSeen, OSError, ParseError."""
    if machine.recorded:
        return parse_adjtimex(output(machine, RECORDED, 1.0))
    return _kernel(_most_wrong_microseconds())


def parse_adjtimex(text: str) -> Kernel:
    """`    maxerror: 16000000`, among other lines, in microseconds."""
    path = " ".join(RECORDED)
    for line in lines_of(text):
        name, _, value = line.partition(":")
        if name.strip() == "maxerror":
            return _kernel(number(value.strip(), path, "maxerror"))
    raise ParseError("{}: it has no maxerror".format(path))


def _kernel(microseconds: int) -> Kernel:
    return Kernel(microseconds / 1e6 < _MOST, microseconds / 1e6)


def _most_wrong_microseconds() -> int:
    try:
        import ctypes  # not part of every small Python
    except ImportError:
        raise NotSeen("this Python has no ctypes to ask the kernel by") from None

    class Timex(ctypes.Structure):
        _fields_ = [("modes", ctypes.c_uint)] + [(name, ctypes.c_long) for name in _FIELDS]
        _fields_ += [("rest", ctypes.c_char * 256)]  # of which nothing is read: 208 bytes are all on 64 bits

    timex = Timex()
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)) < 0:
        number_of_error = ctypes.get_errno()
        raise OSError(number_of_error, os.strerror(number_of_error), "adjtimex(2)")
    return int(timex.maxerror)
