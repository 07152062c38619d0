"""Certificates and keys on a host's disk: not what is served, not right, not where they should be, not private.

Those of servers are /etc/ssl/lab/site0.pem and site0.key; the others /etc/ssl/lab/other.pem and other.key.
"""

from __future__ import annotations

from collections.abc import Iterator

from lab.faults import confirm, fault
from lab.host import LabHost
from lab.pki import Site, web
from lab.pki.files import DIRECTORY, files
from lab.pki.trusted import authorities, looked, own

OTHER = f"{DIRECTORY}/other.pem"


@fault(turns={"certificates.reloaded": "failed"})
def renewed_and_not_reloaded(host: LabHost) -> Iterator[None]:
    """There is a new one on disk, and the server goes on with the old one."""
    old, new = own(host)(since=-50, until=40), own(host)()
    with web(host, Site(old.chain)) as served:
        served.renew(new.chain)
        on_disk = _printed(host, served.files[0].chain, "serial")
        confirm(int(on_disk.removeprefix("serial="), 16) == new.certificate.serial_number, host, on_disk)
        for one in looked(host):
            confirm(one.chain[:1] == (old.certificate,), host, "the new one is served")
        yield


@fault(turns={"certificates.keys": "failed"})
def key_for_everybody(host: LabHost) -> Iterator[None]:
    """Everybody on the host may read the key."""
    with web(host, Site(own(host)().chain, key_mode="644")) as served:
        _confirm_key(host, served.files[0].key, "644 root")
        yield


@fault(turns={"certificates.keys": "failed"})
def key_of_another(host: LabHost) -> Iterator[None]:
    """The key belongs to somebody who is not the one whom the policy says."""
    with web(host, Site(own(host)().chain)) as served:
        host.run(["chown", "deploy", served.files[0].key])
        _confirm_key(host, served.files[0].key, "600 deploy")
        yield


@fault(turns={"certificates.files": "failed"})
def expired_on_disk(host: LabHost) -> Iterator[None]:
    """A certificate on disk, which nobody serves, has ended."""
    with files(host, "other", own(host)(until=-0.1).chain) as on_disk:
        ended = host.run(["openssl", "x509", "-in", on_disk.chain, "-noout", "-checkend", "0"], check=False)
        confirm(ended.stdout == "Certificate will expire\n", host, ended.stdout)
        yield


@fault(turns={"certificates.files": "failed"})
def file_missing(host: LabHost) -> Iterator[None]:
    """There is no such file."""
    confirm(not host.exists(OTHER), host, f"{OTHER} is there")
    yield


@fault(turns={"certificates.client": "failed"})
def no_client_certificate(host: LabHost) -> Iterator[None]:
    """What the host should log in with elsewhere is a server's."""
    with files(host, "other", authorities().server("deploy.example.test").chain) as on_disk:
        told = _printed(host, on_disk.chain, "purpose")
        confirm("SSL client : No\n" in told, host, told)
        yield


def _printed(host: LabHost, path: str, what: str) -> str:
    """What openssl says of the first certificate in a file."""
    return host.run(["openssl", "x509", "-in", path, "-noout", f"-{what}"]).stdout


def _confirm_key(host: LabHost, path: str, expected: str) -> None:
    told = host.run(["stat", "--format=%a %U", path]).stdout.strip()
    confirm(told == expected, host, f"{path}: {told}")
