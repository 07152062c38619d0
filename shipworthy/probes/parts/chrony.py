"""chronyd, as `chronyc -c` tells of it.

In: its reports as comma-separated values, which are the same from chrony 2.4 to 4.x. Out: `Daemon`.
Source: chronyc(1), client.c print_report; measured with 4.3.
"""

from typing import List, Tuple

from shipworthy.probes.parts.commands import output
from shipworthy.probes.parts.time_daemons import CHRONYD, Daemon, Source
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import decimal, lines_of, number
from shipworthy.probes.runtime.seen import Eyes

TRACKING = ("chronyc", "-c", "tracking")
SOURCES = ("chronyc", "-c", "sources")
SECONDS = 3.0
_STATES = {
    "*": "selected",
    "+": "combined",
    "-": "not combined",
    "?": "unusable",
    "x": "a falseticker",
    "~": "too variable",
}
_LOCAL = "7F7F0101"  # 127.127.1.1: the `local` directive
_NEVER = 2**32 - 1


def read_chrony(eyes: Eyes, with_sources: bool) -> Daemon:
    """What chronyd says. Raises `NotSeen`, ParseError."""
    daemon = parse_tracking(_said(eyes.machine, TRACKING))
    if not with_sources:
        return daemon
    return daemon._replace(sources=eyes.see("daemon.sources", lambda: parse_sources(_said(eyes.machine, SOURCES))))


def parse_tracking(text: str) -> Daemon:
    """`0A4D000B,10.77.0.11,4,1795558015.727,0.0000015,…,Normal`: 14 fields, of which the last says how it is."""
    path = " ".join(TRACKING)
    fields = text.strip().split(",")
    if len(fields) != 14:
        raise ParseError("{}: {} fields in {!r}, not 14".format(path, len(fields), text.strip()[:200]))
    delay, dispersion = decimal(fields[10], path, "field 11"), decimal(fields[11], path, "field 12")
    return Daemon(
        name=CHRONYD,
        synchronised=fields[13] != "Not synchronised",
        status=fields[13],
        by_itself=fields[0] == _LOCAL,
        stratum=number(fields[2], path, "field 3"),
        # Whether it is fast or slow is told by the sign, and not by every version in the same way.
        offset_seconds=abs(decimal(fields[4], path, "field 5")),
        root_distance_seconds=delay / 2 + dispersion,
        sources=None,
    )


def parse_sources(text: str) -> List[Source]:
    """`^,*,10.77.0.11,3,6,377,25,0.0000023,0.0000046,0.0000167`, a line for each; reach is octal."""
    path = " ".join(SOURCES)
    found = []
    for index, line in enumerate(lines_of(text), 1):
        fields = line.split(",")
        if len(fields) != 10 or fields[1] not in _STATES:
            raise ParseError("{}: line {} {!r} is no source".format(path, index, line))
        place = "line {}".format(index)
        heard = number(fields[6], path, place + ": field 7")
        reach = octal(fields[5], path, place + ": field 6")
        found.append(Source(fields[2], _STATES[fields[1]], reach > 0, None if heard == _NEVER else heard))
    return found


def octal(text: str, path: str, place: str) -> int:
    """A reach register, in which each bit is one of the last eight questions."""
    if not text or text.strip("01234567"):
        raise ParseError("{}: {}: {!r} is not an octal number".format(path, place, text))
    return int(text, 8)


def _said(machine: Machine, command: Tuple[str, ...]) -> str:
    text = output(machine, command, SECONDS)
    if text[:3].isdigit() and text[3:4] == " ":  # `506 Cannot talk to daemon`
        raise NotSeen("chronyc: {}".format(text.strip()))
    return text
