"""Ports beside the servers with certificates: a responder for what is revoked, and ports that are wrong.

In: a host. Out: while inside, the port is there, over both families.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.daemon import daemon, directory
from lab.host import LabHost
from lab.pki import odd_ports, responding
from lab.pki.authority import CRL
from lab.pki.issuing import Issued

_RUN = "/run/responder"


@dataclass(frozen=True)
class Responder:
    """A running responder."""

    host: LabHost

    def say(self, crl: bytes = b"", responses: Mapping[Issued, bytes] | None = None) -> None:
        """Another list from now on, and other answers; what is not given stays as it is."""
        files = {Path(CRL).name: crl} if crl else {}
        files |= {_file(issued): response for issued, response in (responses or {}).items()}
        lines = (f"echo {b64encode(content).decode()} | base64 -d >{_RUN}/{name}\n" for name, content in files.items())
        self.host.run(["sh", "-e"], input="".join(lines))


@contextmanager
def responder(
    host: LabHost, port: int = 8080, *, crl: bytes = b"", responses: Mapping[Issued, bytes] | None = None
) -> Iterator[Responder]:
    """While inside, the host gives this list, and these answers to OCSP's questions."""
    running = Responder(host)
    with directory(host, _RUN), _program(host, responding.__file__, [_RUN, str(port)], port, _RUN):
        running.say(crl, responses)
        yield running


@contextmanager
def odd_port(host: LabHost, how: str, number: int = 8443) -> Iterator[None]:
    """While inside, a port of the host is `silent`, `plain` or `reset`s what connects: see `lab.pki.odd_ports`."""
    own, program = f"/run/port{number}", odd_ports.__file__
    with directory(host, own), _program(host, program, [how, str(number)], number, own):
        yield


@contextmanager
def _program(host: LabHost, file: str, arguments: Sequence[str], port: int, own: str) -> Iterator[None]:
    command = ["python3", "-I", "-S", "-c", Path(file).read_text(), *arguments]
    with daemon(host, own, command) as running:
        listening = lambda: host.run(["ss", "-Hltn", f"sport = :{port}"]).stdout.count("LISTEN") == 2  # noqa: E731
        running.wait_for(listening, f"port {port}")
        yield


def _file(of: Issued) -> str:
    serial = of.certificate.serial_number
    return f"{serial.to_bytes(serial.bit_length() // 8 + 1).hex()}.ocsp"
