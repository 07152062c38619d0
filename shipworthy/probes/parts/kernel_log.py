"""The kernel's log, read once for all probes: what the kernel itself said, and when.

In: /dev/kmsg. Out: (seconds, message) pairs on the clock of `machine.kernel_seconds()`, oldest first.
A container reads its machine's log, which tells of others too: whoever asks must know that.
Source: Documentation/ABI/testing/dev-kmsg.
"""

import re
from typing import Iterator, List, NamedTuple

from shipworthy.probes.runtime.machine import MEBIBYTE, Machine

KMSG = "/dev/kmsg"

_AT_MOST = 16 * MEBIBYTE
_KMSG = re.compile(r"([0-9]{1,9}),[0-9]+,([0-9]{1,20}),[^;]*;(.*)", re.DOTALL)
_DMESG = re.compile(r"(?:<([0-9]{1,9})>)?\[ *([0-9]{1,20}\.[0-9]{1,9})\] (.*)", re.DOTALL)


class Line(NamedTuple):
    """One record; `seconds` is when, by the kernel's clock."""

    seconds: float
    message: str


def read_log(machine: Machine) -> List[Line]:
    """All that the log has, oldest first. Raises OSError."""
    return machine.once("kernel log", lambda: list(parse_log(machine.read_records(KMSG, _AT_MOST))))


def parse_log(text: str) -> Iterator[Line]:
    """The kernel's own records, in /dev/kmsg's form or in dmesg's.

    Other programs may write to the log too; their records carry another facility than the kernel's, 0.
    """
    for line in text.split("\n"):
        record = _KMSG.match(line)
        if record:
            if int(record.group(1)) >> 3 == 0:
                yield Line(int(record.group(2)) / 1e6, record.group(3))
            continue
        record = _DMESG.match(line)
        if record and int(record.group(1) or 0) >> 3 == 0:
            yield Line(float(record.group(2)), record.group(3))
