"""Real throwaway hosts, and the faults to inject into them.

    this machine ───────────────────────────────────────────────────────────────────────────────────────────
      pytest (selftest/scenarios)                                     its own network is never touched
        │ holds a pipe: when it closes, PID 1 of the lab ends, and the kernel ends everything below
        ▼
      lab: network, mount and PID namespaces without a name          /tmp/shipworthy-lab-…: keys, known_hosts
        │
        │   here ── lab0 (bridge) 10.77.0.1/24, fd77::1/64           `lab.here.run(…)` and the suite run here
        │            ├── db  ┄ veth ┄ eth0  10.77.0.11, fd77::b
        │            ├── web ┄ veth ┄ eth0  10.77.0.12, fd77::c
        │            └── …
        ▼
      host: network, mount, PID, UTS, IPC namespaces
        /        this machine's root under an overlay; what is written goes to a tmpfs of 32 MiB
        /tmp /var/tmp /run /dev /proc      its own;  /sys  read-only
        /etc     its own hostname, hosts, resolv.conf, passwd, shadow, sudoers, ssh host key
        users    root (by key); deploy (by key or password; sudo NOPASSWD)
        PID 1    host.sh ── sshd, port 22
        /proc/meminfo, vmstat, swaps, pressure/*, …: prepared files, since namespaces share them (lab.proc)

What namespaces share is told by prepared files; where it must be real, a lab is made of small virtual machines
instead, and is otherwise the same: `lab.machines`.

DNS of a lab's own, with name servers and resolvers on four of its hosts: `lab.names`. Certificates of its own, and the
servers that serve them: `lab.pki`.

Every lab has the same addresses: no two can meet, so any number may run side by side. Nothing of a lab has a name on
this machine but its directory, which the next lab removes if its maker was killed.

    with lab(hosts=2) as fleet:
        db, web = fleet
        db.run(["hostname"])
"""

from lab.build import Lab, lab
from lab.errors import LabError
from lab.files import DEPLOY_PASSWORD
from lab.host import LabHost
from lab.inventory import write_inventory
from lab.proc import prepared
from lab.requirements import available
from lab.waiting import wait_until

__all__ = [
    "DEPLOY_PASSWORD",
    "Lab",
    "LabError",
    "LabHost",
    "available",
    "lab",
    "prepared",
    "wait_until",
    "write_inventory",
]
