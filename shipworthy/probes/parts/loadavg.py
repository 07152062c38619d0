"""The load averages and the number of tasks: `0.20 0.18 0.12 1/80 11206`. Pure. Source: proc_loadavg(5)."""

from typing import List, Tuple

from shipworthy.probes.runtime.errors import ParseError
from shipworthy.probes.runtime.parse import number

LOADAVG = "/proc/loadavg"


def parse_averages(text: str, path: str = LOADAVG) -> Tuple[float, float, float]:
    """The averages of 1, 5 and 15 minutes."""
    fields = text.split()
    if len(fields) != 5:
        raise ParseError("{}: {!r} has not five fields".format(path, text.strip()))
    averages: List[float] = []
    for at, field in enumerate(fields[:3], 1):
        whole, point, part = field.partition(".")
        for digits in (whole, part) if point else ("",):
            number(digits, path, "field {} of {!r}".format(at, text.strip()))
        averages.append(float(field))
    return averages[0], averages[1], averages[2]


def parse_tasks(text: str, path: str = LOADAVG) -> int:
    """All tasks of the machine, from the fourth field, `running/all`."""
    fields = text.split()
    slash = fields[3].partition("/") if len(fields) == 5 else ("", "", "")
    return number(slash[2], path, "field 4 of {!r}".format(text.strip()))
