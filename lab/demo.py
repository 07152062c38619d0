"""`make demo`: a small fleet with some faults, and what the suite says of it over SSH. The report stays in reports/.

web     serves a certificate that ends in five   db      has much of it in swap
        days; and prints a message of the day,   cache   is short of memory, under a waiver
        which must not matter                    queue   has a mount that does not answer
app     has spent its ports for one destination
mail    refuses connections
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lab.build import Lab, lab
from lab.faults import certificates, disks, login, memory, ports
from lab.inventory import write_inventory
from lab.pki.trusted import own_name, roots
from lab.requirements import available

ROOT = Path(__file__).parents[1]
_POLICY = """\
plays:
- hosts: all
  reachable:
    login_time: {{warn_above: 10 s}}
- hosts: web
  certificates:
    www: {{connect: "{address}:443", name: {name}, roots: {roots}}}
waivers:
- check: memory.available
  hosts: cache
  at_least: 1 %
  until: {until}
  owner: storage
  approved_by: platform
  ticket: OPS-123
  reason: more memory is on its way
"""


def main() -> int:
    """Run it; 0 when the suite found what was broken."""
    reason = available()
    if reason:
        print(f"no demo: {reason}", file=sys.stderr)  # noqa: T201  this is a command's output
        return 1
    with lab(names=["web", "db", "app", "cache", "mail", "queue"]) as fleet, ExitStack() as stack:
        web, db, app, cache, mail, queue = fleet
        stack.enter_context(memory.swap_in_use(db))
        stack.enter_context(ports.ports_used_up(app))
        stack.enter_context(memory.low_memory(cache))
        stack.enter_context(login.refused(mail))
        stack.enter_context(disks.dead_mount(queue))
        stack.enter_context(certificates.ends_in_5_days(web))
        stack.enter_context(login.talkative_shell(web))
        status = _run_suite(fleet)
    print("Some hosts were broken on purpose: look at the report." if status == 1 else f"exit status {status}, not 1")  # noqa: T201
    return 0 if status == 1 else 1


def _run_suite(fleet: Lab) -> int:
    policy = fleet.directory / "policy.yml"
    until, web = (datetime.now(UTC) + timedelta(days=30)).date(), fleet[0]
    told = {"address": web.address, "name": own_name(web), "roots": roots(fleet.directory)}
    policy.write_text(_POLICY.format(until=until, **told))
    command = [sys.executable, "-m", "pytest", f"--inventory={write_inventory(fleet)}", f"--policy={policy}"]
    return subprocess.run(fleet.here.command(command), cwd=ROOT, timeout=120, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
