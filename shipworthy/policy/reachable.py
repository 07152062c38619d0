"""Reachability: how long a login may take. Its times are the link's own; there is no probe to ask."""

from __future__ import annotations

from typing import ClassVar

from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import SubjectPolicy, limit
from shipworthy.policy.language.units import SECONDS


class Policy(SubjectPolicy):
    """Logging in."""

    login_time: Limit = limit(
        SECONDS,
        warn_above="5 s",
        check="login",
        words="login took",
        says="From the first packet until the host has answered; its own deadlines bound it further.",
        source="judgement: slower is mostly sshd waiting for a resolver that does not answer",
    )

    STRICT: ClassVar[dict[str, dict[str, str]]] = {"login_time": {"warn_above": "2 s", "fail_above": "10 s"}}

    def request(self, checks: frozenset[str]) -> None:
        """Nothing: the link measures its own login."""
