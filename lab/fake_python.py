#!/usr/bin/python3 -I
"""A host that lies: stands in for its `python3`, speaks the probe's protocol, and spoils what the real one answers.

Installed on a lab host by `lab.faults.answers`, which writes how the answer is spoilt to /run/lab-spoil.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

GIGABYTE = 10**9


def truthful(how: str) -> bytes:
    """The real document, from the real interpreter with this one's arguments and input."""
    real = ["/usr/bin/python3", *sys.argv[1:]]
    with subprocess.Popen(real, stdin=sys.stdin.fileno(), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        while line and not line.startswith(b"{"):  # the marker, and answers as to the time: passed on at once
            sys.stdout.buffer.write(time_told(line, how) if line.startswith(b"at ") else line)
            sys.stdout.buffer.flush()
            line = process.stdout.readline()
        return line + process.stdout.read()


def time_told(line: bytes, how: str) -> bytes:
    """What becomes of an answer to the question for the time."""
    number = line.split()[1]
    match how:
        case "time-never":
            return b""
        case "time-nan":
            return b"at %s nan\n" % number
        case "time-unasked":
            return line + b"at 7 1234567890.000000\n" * 20
        case _:
            return line


def pour(stream: BinaryIO, size: int | None) -> None:
    """Write `size` bytes without a newline; None is without end."""
    chunk = b"a" * 65536
    while size is None or size > 0:
        stream.write(chunk)
        size = None if size is None else size - len(chunk)


def spoil(how: str) -> None:
    """Answer in the way `how`."""
    out = sys.stdout.buffer
    if how == "stderr":
        pour(sys.stderr.buffer, 32 * 10**6)
    answer = truthful(how)
    document = json.loads(answer)
    if how == "endless":
        pour(out, None)
    elif how == "gigabyte":
        pour(out, GIGABYTE)
    elif how == "no-json":
        out.write(b"<html><body>502 Bad Gateway</body></html>\n")
    elif how == "nan":
        document["window"] = float("nan")
        out.write(json.dumps(document).encode() + b"\n")
    elif how == "deep":
        out.write(b'{"nest": ' + b"[" * 100000 + b"]" * 100000 + b"}\n")
    elif how == "duplicate":
        out.write(b'{"protocol": 1, ' + answer[1:])
    elif how == "surrogate":
        document["host"]["kernel"] = "\ud800"
        out.write(json.dumps(document).encode() + b"\n")
    elif how == "cut":
        out.write(answer[: len(answer) // 2])
    else:
        out.write(answer)
    out.flush()


spoil(Path("/run/lab-spoil").read_text().strip())
