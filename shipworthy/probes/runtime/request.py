"""What the host is asked: the block of the wire that comes after the bundle.

In: standard input. Out: the request, from its JSON.
"""

import json
import sys
from typing import Any, Dict


def read_request() -> Dict[str, Any]:
    """One block: a decimal length, a newline, and that many bytes. More may have been read than these, and is lost."""
    stream = sys.stdin.buffer
    size = stream.readline(20).strip()
    if not size.isdigit():
        sys.exit("standard input did not go on with a request")
    data = stream.read(int(size))
    if len(data) != int(size):
        sys.exit("standard input ended within the request")
    found: Dict[str, Any] = json.loads(data.decode("utf-8"))
    return found
