"""ntpd, of the NTP project's or NTPsec's, as `ntpq` tells of it.

In: its system variables and its table of peers. Out: `Daemon`. Times are in milliseconds there.
Source: ntpq(8), ntp decode.html; RFC 5905 for the leap indicator and the strata.
"""

import re
from typing import Dict, List, Optional, Tuple

from shipworthy.probes.parts.chrony import octal
from shipworthy.probes.parts.commands import NotInstalled, output
from shipworthy.probes.parts.time_daemons import NTPD, Daemon, Mute, Source
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import decimal, lines_of, number
from shipworthy.probes.runtime.seen import Eyes

VARIABLES = ("ntpq", "-c", "rv")
PEERS = ("ntpq", "-n", "-p")
SECONDS = 3.0
_ELSEWHERE = "/usr/sbin/ntpq"  # where an ordinary user's PATH may not lead
_VARIABLE = re.compile(r'(\w+)=("[^"]*"|[^,\s]*)')
_WORDS = re.compile(r"\bsync_\w+")
_UNSYNCHRONISED = ("11", "3")
_STRATUM_NONE = 16
_STATES = {
    "*": "selected",
    "o": "selected",
    "+": "combined",
    "#": "not combined",
    "-": "not combined",
    ".": "not combined",
    "x": "a falseticker",
    " ": "unusable",
}
_OWN = re.compile(r"LOCAL\(\d\)|LOCL|127\.127\.1\.\d")
_SPANS = {"": 1, "m": 60, "h": 3600, "d": 86400}


def read_ntp(eyes: Eyes, with_sources: bool) -> Daemon:
    """What ntpd says. Raises `NotSeen`, ParseError."""
    daemon = parse_variables(_said(eyes.machine, VARIABLES))
    if not with_sources:
        return daemon
    return daemon._replace(sources=eyes.see("daemon.sources", lambda: parse_peers(_said(eyes.machine, PEERS))))


def parse_variables(text: str) -> Daemon:
    """`associd=0 status=0615 leap_none, sync_ntp, …, leap=00, stratum=3, rootdelay=11.2, rootdisp=22.4, offset=0.1`."""
    path = " ".join(VARIABLES)
    values = {name: value.strip('"') for name, value in _VARIABLE.findall(text)}
    leap, stratum = _value(values, "leap"), number(_value(values, "stratum"), path, "stratum")
    delay = decimal(_value(values, "rootdelay"), path, "rootdelay")
    dispersion = decimal(_value(values, "rootdisp", "rootdispersion"), path, "rootdisp")
    status = _WORDS.search(text)
    return Daemon(
        name=NTPD,
        synchronised=leap not in _UNSYNCHRONISED and stratum < _STRATUM_NONE,
        status="{}, leap {}".format(status.group() if status else "no status", leap),
        by_itself=bool(_OWN.fullmatch(values.get("refid", "").strip("."))),
        stratum=stratum,
        offset_seconds=abs(decimal(_value(values, "offset"), path, "offset")) / 1000,
        root_distance_seconds=(delay / 2 + dispersion) / 1000,
        sources=None,
    )


def parse_peers(text: str) -> List[Source]:
    """The lines below `====`: a tally, then ten columns. Pools' names, broadcasts and the own clock are no sources."""
    path = " ".join(PEERS)
    _, ruler, rows = text.partition("\n===")
    if not ruler:
        if text.strip() and not text.startswith("No association"):
            raise ParseError("{}: {!r} is no table of peers".format(path, text.strip()[:200]))
        return []
    found = []
    for index, line in enumerate(lines_of(rows)[1:], 3):
        tally, fields = line[:1], line[1:].split()
        if len(fields) != 10 or tally not in _STATES:
            raise ParseError("{}: line {} {!r} is no peer".format(path, index, line))
        remote, _, _, kind, when, _, reach = fields[:7]
        if kind in "us" and not _OWN.fullmatch(remote):
            place = "line {}".format(index)
            found.append(Source(remote, _STATES[tally], octal(reach, path, place) > 0, _seconds(when, path, place)))
    return found


def _value(values: Dict[str, str], *names: str) -> str:
    for name in names:
        if name in values:
            return values[name]
    raise ParseError("{}: it has no {}".format(" ".join(VARIABLES), names[0]))


def _seconds(when: str, path: str, place: str) -> Optional[int]:
    """`33`, `12m`, `3h`, `2d`; `-` is never."""
    if when == "-":
        return None
    unit = when[-1:] if when[-1:].isalpha() else ""
    if unit not in _SPANS:
        raise ParseError("{}: {}: {!r} is no time span".format(path, place, when))
    return number(when[: len(when) - len(unit)], path, place) * _SPANS[unit]


def _said(machine: Machine, command: Tuple[str, ...]) -> str:
    try:
        text = output(machine, command, SECONDS, elsewhere=_ELSEWHERE)
    except NotInstalled:
        raise Mute("there is no ntpq here: this ntpd is BusyBox's, or OpenBSD's") from None
    if not text.strip():
        raise NotSeen("ntpq: it has no answer from ntpd")
    return text
