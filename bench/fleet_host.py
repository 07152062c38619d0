"""`python -m bench.fleet_host PORT HOST_KEY ANSWER`: SSH for as many hosts as there are loopback addresses.

Every address of 127.0.0.0/8 is answered at PORT, and who has the key is let in. Whatever the command, the wire of the
probes is spoken: marker, two blocks read, the time whenever it is asked for, and the recorded document after the window
that was asked for. Ends with its parent.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import re
import signal
import sys
import time
from pathlib import Path

import asyncssh

_NONCE = re.compile(r"\b[0-9a-f]{32}\b")
_PR_SET_PDEATHSIG = 1


async def _read_block(process: asyncssh.SSHServerProcess[bytes]) -> bytes:
    size = int(await process.stdin.readline())
    return await process.stdin.readexactly(size)


async def _tell_time(process: asyncssh.SSHServerProcess[bytes], most: int) -> None:
    for number in range(most + 1 if most else 0):
        asked = int(await process.stdin.readline()) if number else 0
        process.stdout.write(b"at %d %.6f\n" % (asked, time.time()))


async def _serve(process: asyncssh.SSHServerProcess[bytes], answer: bytes) -> None:
    nonce = _NONCE.search(process.command or "")
    if not nonce:
        process.exit(127)
        return
    process.stdout.write(f"SHIPWORTHY-{nonce[0]}\n".encode())
    await _read_block(process)
    request = json.loads(await _read_block(process))
    telling = asyncio.ensure_future(_tell_time(process, request.get("exchanges", 0)))
    await asyncio.sleep(request["window"])
    telling.cancel()
    process.stdout.write(answer + b"\n")
    await process.stdout.drain()
    process.exit(0)


async def _run(port: int, host_key: str, answer: bytes) -> None:
    def serve(process: asyncssh.SSHServerProcess[bytes]) -> asyncio.Future[None]:
        return asyncio.ensure_future(_serve(process, answer))

    await asyncssh.listen(
        "0.0.0.0",
        port,
        server_host_keys=[host_key],
        authorized_client_keys=f"{host_key}.pub",  # one key for both sides
        process_factory=serve,
        encoding=None,
        reuse_port=True,
        backlog=1000,
    )
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    asyncio.run(_run(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).read_bytes()))
