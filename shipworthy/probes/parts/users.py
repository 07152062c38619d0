"""The names of users and groups by their numbers: those of /etc, and those that only a directory service knows.

In: a number. Out: its name, or the number as a text where it has none. Source: passwd(5), group(5), getent(1).
"""

from typing import Dict

from shipworthy.probes.runtime.child import Abandoned
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine

_SECONDS = 3.0
_FIELDS = {"passwd": 7, "group": 4}
"""Of a line of each table, whose third is the number."""


def user_name(machine: Machine, uid: int) -> str:
    """The first name that has this number."""
    return _name(machine, "passwd", uid)


def group_name(machine: Machine, gid: int) -> str:
    """The same of a group."""
    return _name(machine, "group", gid)


def _name(machine: Machine, table: str, number: int) -> str:
    known: Dict[str, str] = machine.once(table, lambda: _local(machine, table))
    text = str(number)
    if text in known:
        return known[text]
    return machine.once("{} {}".format(table, text), lambda: _from_directory(machine, table, text))


def parse_names(text: str, table: str) -> Dict[str, str]:
    """Names by numbers, of passwd or group; lines that are none of its, such as NIS's `+`, are left out."""
    found: Dict[str, str] = {}
    for line in text.split("\n"):
        values = line.split(":")
        if len(values) == _FIELDS[table] and values[2].isdigit():
            found.setdefault(values[2], values[0])
    return found


def _local(machine: Machine, table: str) -> Dict[str, str]:
    try:
        return parse_names(machine.read("/etc/" + table), table)
    except OSError:
        return {}


def _from_directory(machine: Machine, table: str, number: str) -> str:
    try:
        done = machine.run(["getent", table, number], _SECONDS)
    except (Abandoned, NotSeen):
        return number
    return parse_names(done.stdout.decode("utf-8", "surrogateescape"), table).get(number, number)
