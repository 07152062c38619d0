"""`python -m bench.bare USER KEY KNOWN_HOSTS ADDRESS…`: what no tool on paramiko can undercut.

A login and `true` on every host at once; nothing else. Prints the seconds from the first connect to the last answer.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import paramiko


def login(address: str, user: str, key: str, known_hosts: str) -> None:
    with paramiko.SSHClient() as client:
        client.load_host_keys(known_hosts)
        client.connect(address, username=user, key_filename=key, allow_agent=False, look_for_keys=False)
        _, out, _ = client.exec_command("true")
        if out.channel.recv_exit_status():
            raise RuntimeError(f"{address}: `true` failed")


def main(user: str, key: str, known_hosts: str, *addresses: str) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(len(addresses)) as threads:
        for done in [threads.submit(login, address, user, key, known_hosts) for address in addresses]:
            done.result()
    print(f"{time.monotonic() - started:.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
