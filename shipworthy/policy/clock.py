"""The clock: how far it may be from this machine's, the other hosts' and its own sources', and who must keep it.

Facts and formulas: RFC 5905; node-mixin; Checkmk's chrony and ntp checks; adjtimex(2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import field_validator
from pydantic_core import PydanticCustomError

from shipworthy.policy.language.form import VALUE_ERROR
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import SubjectPolicy, limit, setting
from shipworthy.policy.language.units import COUNT, SECONDS

if TYPE_CHECKING:
    from shipworthy.probes.clock import Request

MOST_EXCHANGES = 64
"""What a host may be asked, and what its answers may take."""


class Policy(SubjectPolicy):
    """Offset against this machine and among the hosts, synchronisation, and the sources of time."""

    offset: Limit = limit(
        SECONDS,
        warn_above="200 ms",
        fail_above="500 ms",
        words="clock off from this machine's, by at least",
        says="How far the clock is from that of the machine that runs the checks, less the measurement's uncertainty.",
        source="Checkmk's chrony check: 200 ms warns, 500 ms is critical",
    )
    odd_one_out: Limit = limit(
        SECONDS,
        warn_above="200 ms",
        fail_above="500 ms",
        words="clock off from the other hosts', by at least",
        says="How far the clock is from the median of all hosts of the run, less the uncertainty of the measurements.",
        source="Checkmk's chrony check: 200 ms warns, 500 ms is critical",
    )
    exchanges: float = setting(
        COUNT,
        "8",
        says="How often a host is asked for its time, in one run; the quickest answer counts.",
        source="RFC 5905: the clock filter takes the best of eight",
    )
    own_offset: Limit = limit(
        SECONDS,
        warn_above="50 ms",
        fail_above="500 ms",
        check="accuracy",
        words="clock off from its source's",
        says="How far the clock is from its source's, as chronyd or ntpd say.",
        source="warning: node-mixin NodeClockSkewDetected, 50 ms; failing: Checkmk's chrony check, 500 ms",
    )
    root_distance: Limit = limit(
        SECONDS,
        warn_above="1 s",
        check="accuracy",
        words="clock wrong by as much as",
        says="Root delay / 2 + root dispersion: the most that the clock can be from the reference clock's.",
        source="RFC 5905: MAXDIST, beyond which a server is not fit to be followed, 1 s",
    )
    stratum: Limit = limit(
        COUNT,
        warn_above="9",
        check="accuracy",
        words="stratum",
        says="How many clocks lie between this one and the reference clock.",
        source="Checkmk's chrony and ntp checks: from stratum 10",
    )
    sources: Limit = limit(
        COUNT,
        fail_below="1",
        words="time sources that answer",
        says="Sources that answered at least one of the last eight questions.",
        source="judgement: a clock without a source drifts, seconds a day",
    )
    silence: Limit = limit(
        SECONDS,
        warn_above="3 h",
        check="sources",
        words="since a time source was heard",
        says="How long ago the source that was heard last was heard, as chronyd or ntpd say.",
        source="judgement: ten of the longest usual intervals, 1024 s",
    )

    STRICT: ClassVar[dict[str, Any]] = {
        "offset": {"warn_above": "50 ms", "fail_above": "200 ms"},
        "odd_one_out": {"warn_above": "50 ms", "fail_above": "200 ms"},
        "own_offset": {"warn_above": "10 ms", "fail_above": "50 ms"},
        "sources": {"warn_below": "2"},
    }

    @field_validator("exchanges")
    @classmethod
    def _few(cls, exchanges: float) -> float:
        if not 1 <= exchanges <= MOST_EXCHANGES:
            reason = f"is not from 1 to {MOST_EXCHANGES}"
            raise PydanticCustomError(VALUE_ERROR, "{reason}", {"reason": reason})
        return exchanges

    def request(self, checks: frozenset[str]) -> Request | None:
        """Questions for the time only where an offset is judged; the daemon's account only where it is."""
        wanted = {check.partition(".")[2] for check in checks if check.startswith("clock.")}
        if not wanted:
            return None
        keeper = not wanted.isdisjoint({"synchronised", "accuracy", "sources"})
        measured = not wanted.isdisjoint({"offset", "odd_one_out"})
        from shipworthy.probes.clock import Request  # only for what is asked: an engineer waits

        return Request(exchanges=int(self.exchanges) if measured else 0, keeper=keeper, sources="sources" in wanted)
