"""Certificates on a host's disk.

In: a chain and a key. Out: files in `/etc/ssl/lab`, for as long as one is inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from lab.host import LabHost
from lab.pki.issuing import Issued

DIRECTORY = "/etc/ssl/lab"
_WRITE = """\
mkdir -p {directory}
cat >{chain} <<END
{pem}END
umask 077
cat >{key} <<END
{key_pem}END
chmod {mode} {key}
chown {owner} {chain} {key}
"""


@dataclass(frozen=True)
class Files:
    """A chain, and the key of its leaf."""

    host: LabHost
    name: str
    owner: str = "root"
    key_mode: str = "600"

    @property
    def chain(self) -> str:
        return f"{DIRECTORY}/{self.name}.pem"

    @property
    def key(self) -> str:
        return f"{DIRECTORY}/{self.name}.key"

    def write(self, chain: Sequence[Issued]) -> None:
        """Put another there, the leaf first."""
        pem = "".join(one.pem for one in chain)
        words = {"chain": self.chain, "key": self.key, "mode": self.key_mode, "owner": self.owner}
        script = _WRITE.format(directory=DIRECTORY, pem=pem, key_pem=chain[0].key_pem, **words)
        self.host.run(["sh", "-e"], input=script)


@contextmanager
def files(
    host: LabHost, name: str, chain: Sequence[Issued], *, owner: str = "root", key_mode: str = "600"
) -> Iterator[Files]:
    """While inside, a chain and its key are on the host's disk."""
    made = Files(host, name, owner, key_mode)
    try:
        made.write(chain)
        yield made
    finally:
        script = 'rm -f "$2" "$3"; rmdir --ignore-fail-on-non-empty "$1"'
        host.run(["sh", "-c", script, "sh", DIRECTORY, made.chain, made.key])
