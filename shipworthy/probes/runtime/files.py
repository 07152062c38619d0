"""Reading by descriptor: bounded, and with errors that name the path as it is on the machine.

In: descriptors and paths. Out: bytes.
"""

import errno
import os
from contextlib import contextmanager
from typing import Iterator, List


@contextmanager
def told_as(path: str) -> Iterator[None]:
    """Errors name the path as it is on the machine, not where it lies in a recorded tree."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None


def records(descriptor: int) -> Iterator[bytes]:
    """What a device that does not block has to give now, record by record."""
    while True:
        try:
            record = os.read(descriptor, 65536)
        except BrokenPipeError:
            continue  # a record was overwritten while we read: kmsg goes on with the next
        except BlockingIOError:
            return
        if not record:
            return
        yield record


def read(descriptor: int, path: str, at_most: int) -> bytes:
    """All there is to the end; more than `at_most` bytes are an OSError of `path`."""
    parts: List[bytes] = []
    left = at_most + 1
    while left > 0:
        part = os.read(descriptor, min(left, 65536))
        if not part:
            return b"".join(parts)
        parts.append(part)
        left -= len(part)
    raise OSError(errno.EFBIG, "is longer than {} bytes".format(at_most), path)


def as_bytes(path: str) -> bytes:
    """A path as the kernel knows it."""
    # Not os.fsencode: under LC_ALL=C, Python 3.6 would refuse names that are not ASCII.
    return path.encode("utf-8", "surrogateescape")
