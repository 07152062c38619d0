"""Reachability: the suite can log in and be answered, and quickly."""

from shipworthy.checks import check
from shipworthy.policy import HostPolicy
from shipworthy.snapshot import Login


@check("reachable.login")
def test_host_is_reachable(login: Login, policy: HostPolicy) -> None:
    """The host lets the suite in, and answers it.

    Why: a host that the suite cannot reach is one that nobody can mend either, and nothing else is known of it.
    Look: the rung named in the message; then the same login by hand, `ssh -v HOST true`.
    """
    assert login.failed is None, f"{login.failed.rung}: {login.failed.reason}"
    assert policy.reachable.login_time.allows(
        login.seconds, evidence=[f"{r} {s:.3f} s" for r, s in login.rungs.items()]
    )
