"""What must be true of the hosts: policy files + inventory → each host's limits and expectations.

In: YAML files with plays, each a host pattern and what holds for it. Out: `Policy`, of which `for_host` gives the
`HostPolicy` whose subjects are its attributes. Every limit has a default, so no policy at all is a sensible policy.
Each plain module in this folder is a subject: what can be said of it, the defaults, and the request to its probe.
"""

from __future__ import annotations

from shipworthy.policy.language.host import HostPolicy
from shipworthy.policy.language.limit import ASKED, Limit, Verdict, Warned, warn
from shipworthy.policy.language.loading import Policy, load, make_ready
from shipworthy.policy.language.waivers import Waiver

__all__ = ["ASKED", "HostPolicy", "Limit", "Policy", "Verdict", "Waiver", "Warned", "load", "make_ready", "warn"]
