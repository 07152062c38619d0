"""NFS between two machines, whose server falls silent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab.faults import confirm, fault
from lab.host import LabHost

EXPORT, DATA = "/srv/export", "/srv/data"
_SILENT = "table inet silent { chain in { type filter hook input priority 0; tcp dport 2049 drop; }; }\n"


@contextmanager
def serving(server: LabHost) -> Iterator[None]:
    """While inside, the machine exports a folder to the lab."""
    server.run(["mkdir", "-p", EXPORT])
    server.write(f"{EXPORT}/file", "served\n")
    server.run(["systemctl", "start", "rpcbind", "nfs-server"], seconds=60)
    server.run(["exportfs", "-o", "rw,no_root_squash,fsid=1", f"10.77.0.0/24:{EXPORT}"])
    try:
        yield
    finally:
        server.run(["exportfs", "-ua"])
        server.run(["systemctl", "stop", "nfs-server", "rpcbind.socket", "rpcbind"], seconds=60)


@contextmanager
def mounted(host: LabHost, server: LabHost, version: str) -> Iterator[None]:
    """While inside, the host has what the server exports mounted, hard; of version 3 without locks that others see."""
    host.run(["mkdir", "-p", DATA])
    options = f"hard,vers={version}{',nolock' if version == '3' else ''}"
    host.run(["mount", "-t", "nfs", "-o", options, f"{server.address}:{EXPORT}", DATA], seconds=60)
    try:
        confirm(host.read(f"{DATA}/file") == "served\n", host, f"{DATA}/file is not served")
        yield
    finally:
        host.run(["umount", "-f", "-l", DATA], seconds=60)


@fault(turns={"disks.mounts_answer": "failed"})
def server_gone(host: LabHost, server: LabHost) -> Iterator[None]:
    """The server of a hard mount, which is there, answers no more."""
    server.run(["nft", "-f", "-"], input=_SILENT)
    try:
        asked = host.run(["timeout", "-s", "KILL", "3", "stat", "-f", DATA], check=False)
        confirm(asked.returncode in {-9, 137}, host, f"{DATA} still answers")
        yield
    finally:
        server.run(["nft", "delete", "table", "inet", "silent"], check=False)
