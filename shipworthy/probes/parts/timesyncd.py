"""systemd-timesyncd, as `timedatectl show-timesync` tells of it (systemd 239 and later).

In: its properties, and what the kernel says: timesyncd leaves it to the kernel to know for how long its last answer is
good. Out: `Daemon`.
Source: systemd's timedatectl.c print_ntp_status_info, timesyncd-manager.c.
"""

import re
from typing import Dict, List, Optional

from shipworthy.probes.parts.commands import output
from shipworthy.probes.parts.kernel_clock import Kernel
from shipworthy.probes.parts.time_daemons import TIMESYNCD, Daemon, Mute, Source
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import decimal, lines_of, number
from shipworthy.probes.runtime.seen import Eyes

COMMAND = ("timedatectl", "show-timesync")
_PATH = " ".join(COMMAND)
SECONDS = 5.0
_PART = re.compile(r"(\w+)=([^,]*?)(?:, | }$)")
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|min|h|d|w)")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


class Message(Dict[str, str]):
    """The parts of `NTPMessage={ Leap=0, Version=4, … }`; none before a server has answered."""


def read_timesyncd(eyes: Eyes, kernel: Optional[Kernel], with_sources: bool) -> Daemon:
    """What timesyncd and the kernel say. Raises `NotSeen`, ParseError."""
    told = parse_properties(_said(eyes.machine))
    answer = parse_message(told.get("NTPMessage", ""))
    if kernel is None:
        eyes.unseen["daemon.synchronised"] = eyes.unseen["kernel"]
    eyes.unseen["daemon.offset_seconds"] = "systemd-timesyncd does not tell it"
    return Daemon(
        name=TIMESYNCD,
        synchronised=None if kernel is None else kernel.synchronised,
        status="its server has answered" if answer else "no server has answered yet",
        by_itself=False,
        stratum=eyes.see("daemon.stratum", lambda: number(_part(answer, "Stratum"), _PATH, "Stratum") + 1),
        offset_seconds=None,
        root_distance_seconds=eyes.see("daemon.root_distance_seconds", lambda: _distance(answer)),
        sources=_sources(told, answer) if with_sources else None,
    )


def parse_properties(text: str) -> Dict[str, str]:
    """`ServerName=ntp.example.org` → by name."""
    pairs = [line.partition("=") for line in lines_of(text)]
    if not pairs or not all(name and equals for name, equals, _ in pairs):
        raise ParseError("{}: {!r} is not of the form Name=value".format(_PATH, text.strip()[:200]))
    return {name: value for name, _, value in pairs}


def parse_message(text: str) -> Message:
    """`{ Leap=0, Version=4, Mode=4, Stratum=2, …, RootDelay=15.182ms, … }` → by name."""
    found = Message(_PART.findall(text))
    if text and not found:
        raise ParseError("{}: NTPMessage: {!r} has no parts".format(_PATH, text[:200]))
    return found


def parse_span(text: str, path: str = _PATH) -> float:
    """`1min 30.5s`, `15.182ms`, `0` → seconds."""
    words = text.split()
    matches = [_SPAN.fullmatch(word) for word in words]
    if text.strip() == "0":
        return 0.0
    if not words or not all(matches):
        raise ParseError("{}: {!r} is no time span".format(path, text))
    return sum(decimal(match.group(1), path, text) * _UNITS[match.group(2)] for match in matches if match)


def _said(machine: Machine) -> str:
    try:
        return output(machine, COMMAND, SECONDS)
    except NotSeen as reason:
        if "Unknown operation" in str(reason):
            raise Mute("systemd-timesyncd could not be asked before systemd 239") from None
        raise


def _distance(answer: Message) -> float:
    return parse_span(_part(answer, "RootDelay")) / 2 + parse_span(_part(answer, "RootDispersion"))


def _sources(told: Dict[str, str], answer: Message) -> List[Source]:
    name = told.get("ServerName") or told.get("ServerAddress")
    return [Source(name, "selected" if answer else "unusable", bool(answer), None)] if name else []


def _part(answer: Message, name: str) -> str:
    if not answer:
        raise NotSeen("no server has answered yet")
    try:
        return answer[name]
    except KeyError:
        raise NotSeen("this version of systemd does not tell {}".format(name)) from None
