"""Counters that rise: a small process on the host rewrites digits of a prepared file, fifty times a second.

Only the digits of the value change, in one write of the same length, so a reader always finds a whole file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lab.errors import LabError
from lab.host import LabHost
from lab.waiting import wait_until

_PROGRAM = r"""
import json, os, re, sys, time
path, rates = sys.argv[1], json.loads(sys.argv[2])
file = os.open(path, os.O_RDWR)
text = os.pread(file, 1 << 20, 0).decode()
found = {pattern: re.search(pattern, text, re.MULTILINE) for pattern in rates}
start = time.monotonic()
while True:
    time.sleep(0.02)
    for pattern, match in found.items():
        value = int(match.group(1)) + int(rates[pattern] * (time.monotonic() - start))
        os.pwrite(file, b"%0*d" % (len(match.group(1)), value), len(text[:match.start(1)].encode()))
"""


@contextmanager
def rising(host: LabHost, path: str, rates: Mapping[str, float]) -> Iterator[None]:
    """While inside, each number that a pattern's first group finds in the prepared `path` rises by so much a second.

    Afterwards the file says what it said before. The number must have room to rise within its digits.
    """
    before = host.read(path)
    patterns = list(rates)
    missing = [pattern for pattern in patterns if not re.search(pattern, before, re.MULTILINE)]
    if missing:
        raise LabError(f"{host.name}: {path} has no {', '.join(missing)}")
    try:
        with host.background(["python3", "-I", "-S", "-c", _PROGRAM, f"/run/prepared{path}", json.dumps(dict(rates))]):
            wait_until(
                lambda: all(_value(pattern, host.read(path)) > _value(pattern, before) for pattern in patterns),
                within=10,
                what=f"{host.name}: {path} to rise",
            )
            yield
    finally:
        host.write(f"/run/prepared{path}", before)


def _value(pattern: str, text: str) -> int:
    found = re.search(pattern, text, re.MULTILINE)
    return int(found.group(1)) if found else -1
