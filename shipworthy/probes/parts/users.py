"""The names of users by their numbers: those of /etc/passwd, and those that only a directory service knows.

In: a number. Out: its name, or the number as a text where it has none. Source: passwd(5), getent(1).
"""

from typing import Dict

from shipworthy.probes.runtime.child import Abandoned
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine

_SECONDS = 3.0


def user_name(machine: Machine, uid: int) -> str:
    """The first name that has this number."""
    known: Dict[str, str] = machine.once("users", lambda: _local(machine))
    number = str(uid)
    if number in known:
        return known[number]
    return machine.once("user {}".format(uid), lambda: _from_directory(machine, number))


def parse_passwd(text: str) -> Dict[str, str]:
    """Names by numbers; lines that are no user's, such as NIS's `+`, are left out."""
    found: Dict[str, str] = {}
    for line in text.split("\n"):
        fields = line.split(":")
        if len(fields) == 7 and fields[2].isdigit():
            found.setdefault(fields[2], fields[0])
    return found


def _local(machine: Machine) -> Dict[str, str]:
    try:
        return parse_passwd(machine.read("/etc/passwd"))
    except OSError:
        return {}


def _from_directory(machine: Machine, uid: str) -> str:
    try:
        done = machine.run(["getent", "passwd", uid], _SECONDS)
    except (Abandoned, NotSeen):
        return uid
    return parse_passwd(done.stdout.decode("utf-8", "surrogateescape")).get(uid, uid)
