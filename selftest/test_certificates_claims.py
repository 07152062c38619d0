"""What the checks of served certificates conclude: what is shown where, a policy, a time → outcome and message."""

from __future__ import annotations

import pytest

from selftest.certificates import *
from selftest.certificates import Case, told
from selftest.judged import lines

HANDSHAKE = {
    "everywhere": Case("passed", ""),
    "refused at one": Case("failed", "www: refused, only at fd00::1", at_one(Place(error="refused", rung="tcp"))),
    "refused": Case("failed", "www: refused, at 10.0.0.1 and 1 more", everywhere(Place(error="refused", rung="tcp"))),
}
IN_DATE = {
    "in date": Case("passed", ""),
    "exp": Case("failed", "", after=60*DAY),
}
OTHERS = {c: {"well": Case("passed", "")} for c in ("test_certificate_outlives_its_limit test_chain_is_complete_and_ordered test_chain_is_trusted test_name_matches test_key_and_signature_are_strong test_certificate_is_for_servers test_lifetime_is_allowed test_not_revoked test_protocol_versions test_client_certificate_is_asked_for").split()}
TABLES = {
    "test_handshake_completes_on_every_address": HANDSHAKE,
    "test_certificate_is_in_date": IN_DATE,
    **OTHERS
}


@pytest.mark.parametrize(("check", "case"), lines(TABLES))
def test_what_is_concluded(check: str, case: Case) -> None:
    told(check, case)
