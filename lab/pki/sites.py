"""nginx with certificates: by the name that clients send, by family, with a staple, for clients with certificates.

In: a host and its sites. Out: a `Web`, by which certificates are renewed on disk, and taken by the server.
"""

from __future__ import annotations

import signal
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from lab.daemon import Daemon, daemon, directory, need
from lab.host import LabHost
from lab.pki.files import DIRECTORY, Files, files
from lab.pki.issuing import Issued
from lab.pki.proving import BOTH, BY_RSA, prove

_RUN = "/run/nginx"
_CONF = f"{_RUN}/nginx.conf"


def nginx(run: str, http: str) -> str:
    """A configuration with `http` in its block of that name: in the foreground, and all that it writes below `run`."""
    return f"""\
daemon off;
user root;
worker_processes 1;
pid {run}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 2048; }}
http {{
access_log off;
client_body_temp_path {run}/body;
proxy_temp_path {run}/proxy;
fastcgi_temp_path {run}/fastcgi;
uwsgi_temp_path {run}/uwsgi;
scgi_temp_path {run}/scgi;
ssl_protocols TLSv1.2 TLSv1.3;
{http}}}
"""


@dataclass(frozen=True)
class Site:
    """One certificate, and to whom it is served."""

    chain: Sequence[Issued]
    """As it is served, the leaf first."""
    names: Sequence[str] = ()
    """Clients that send one of these get it; without names all do who send no other site's, or none."""
    addresses: Sequence[str] = BOTH
    port: int = 443
    protocols: Sequence[str] = ("TLSv1.2", "TLSv1.3")
    """nginx takes those of the first site of an address and port for all."""
    staple: bytes = b""
    """An OCSP response to go with it."""
    clients: Issued | None = None
    """Clients must have a certificate by this one."""
    key_mode: str = "600"
    second: Sequence[Issued] = ()
    """For clients that know RSA alone; site0-second.pem, where the first is site0.pem."""


@dataclass(frozen=True)
class Web:
    """A running nginx."""

    daemon: Daemon
    files: Sequence[Files]
    """Each site's."""
    sites: list[Site]
    """As they are on disk."""

    def renew(self, chain: Sequence[Issued], number: int = 0) -> None:
        """Another certificate for a site: on disk only."""
        self.sites[number] = replace(self.sites[number], chain=chain)
        self.files[number].write(chain)

    def reload(self) -> None:
        """Take what is on disk."""
        self.daemon.hang_up()
        self.prove()

    def prove(self) -> None:
        """Every site serves what is on disk, wherever it should."""
        for site in self.sites:
            name = site.names[0] if site.names else ""
            prove(self.daemon, site.chain, site.addresses, site.port, name=name)
            if site.second:
                prove(self.daemon, site.second, site.addresses, site.port, *BY_RSA, name=name)


@contextmanager
def web(host: LabHost, *sites: Site) -> Iterator[Web]:
    """While inside, the host serves these sites. Where none is for everybody, clients that send no name are refused."""
    need("nginx")
    with ExitStack() as held:
        held.enter_context(directory(host, _RUN))
        on_disk = [
            held.enter_context(files(host, f"site{number}", site.chain, key_mode=site.key_mode))
            for number, site in enumerate(sites)
        ]
        for number, site in enumerate(sites):
            if site.second:
                held.enter_context(files(host, f"site{number}-second", site.second, key_mode=site.key_mode))
        host.run(["sh", "-e"], input="".join(_more(number, site) for number, site in enumerate(sites)))
        host.write(_CONF, _configuration(sites))
        running = held.enter_context(daemon(host, _RUN, ["nginx", "-e", "stderr", "-c", _CONF], signal.SIGTERM))
        served = Web(running, on_disk, list(sites))
        served.prove()
        yield served


def _more(number: int, site: Site) -> str:
    """A script that writes a site's staple and client authority, where it has them."""
    staple = f"echo {b64encode(site.staple).decode()} | base64 -d >{_staple(number)}\n" if site.staple else ""
    return staple + (f"cat >{_clients(number)} <<END\n{site.clients.pem}END\n" if site.clients else "")


def _clients(number: int) -> str:
    return f"{_RUN}/clients{number}.pem"


def _staple(number: int) -> str:
    return f"{_RUN}/staple{number}.der"


def _configuration(sites: Sequence[Site]) -> str:
    everywhere = {(address, site.port) for site in sites for address in site.addresses}
    for_all = {(address, site.port) for site in sites for address in site.addresses if not site.names}
    strict = sorted(everywhere - for_all)
    servers = [_server(number, site) for number, site in enumerate(sites)]
    if strict:
        listens = "".join(_listen(address, port, " default_server") for address, port in strict)
        servers.append(f"server {{\n{listens}ssl_reject_handshake on;\n}}\n")
    return nginx(_RUN, "ssl_ciphers ALL:@SECLEVEL=0;\n" + "".join(servers))


def _server(number: int, site: Site) -> str:
    lines = [_listen(address, site.port, "" if site.names else " default_server") for address in site.addresses]
    lines += [f"server_name {' '.join(site.names)};\n"] if site.names else []
    for pair in (f"site{number}", f"site{number}-second")[: 2 if site.second else 1]:
        lines += [f"ssl_certificate {DIRECTORY}/{pair}.pem;\nssl_certificate_key {DIRECTORY}/{pair}.key;\n"]
    lines += [f"ssl_protocols {' '.join(site.protocols)};\n"]
    lines += [f"ssl_stapling on;\nssl_stapling_file {_staple(number)};\n"] if site.staple else []
    if site.clients:
        lines += [f"ssl_client_certificate {_clients(number)};\nssl_verify_client on;\n"]
    return f'server {{\n{"".join(lines)}location / {{ return 200 "site{number}\\n"; }}\n}}\n'


def _listen(address: str, port: int, more: str) -> str:
    where = f"[{address}]" if ":" in address else address
    return f"listen {where}:{port} ssl{more};\n"
