"""Certificates whose issuer DNS does not permit. In a lab with an `estate` (lab.names), which has the CAA records."""

from __future__ import annotations

from collections.abc import Iterator

from lab.faults import confirm, fault
from lab.host import LabHost
from lab.names.servers import answers
from lab.pki import Site, web
from lab.pki.trusted import authorities, looked

NAME = "foreign.example.test"


@fault(turns={"certificates.caa": "failed"})
def another_authority_permitted(host: LabHost) -> Iterator[None]:
    """The name's CAA record permits another authority, and no other."""
    with web(host, Site(authorities().server(NAME).chain)):
        told = answers(host, NAME, "CAA")
        confirm(told.split() == ["0", "issue", '"another-ca.test"'], host, told)
        for one in looked(host, name=NAME):
            confirm("Verify return code: 0 " in one.said, host, one.said)
        yield
