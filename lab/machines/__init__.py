"""Machines with kernels of their own: for what namespaces share, and so can only be told there.

    here ── lab0 (bridge) 10.77.0.1/24, fd77::1/64; a chronyd that tells this machine's time
      ├── tap1 ┄ QEMU ┄ eth0  10.77.0.11, fd77::b   server: Debian, systemd, sshd, chronyd, 384 MiB, 2 CPUs, swap
      ├── tap2 ┄ QEMU ┄ eth0  10.77.0.12, fd77::c   one
      └── …

    with machines(3) as (server, one, two):
        server.run(["hostname"])

They are hosts of a lab like others (`lab.LabHost`): the same commands, files, logins, inventory, and the same faults
where these need nothing but a host. Commands go over a virtio port to guest/agent.py, not over the machine's network.

A machine is switched on once, when its image was made, and saved; every lab goes on from there on disks of its own.
Image and states lie in the user's cache (`lab.machines.cache`); `make clean-machines` removes them. QEMU emulates, so
nothing but memory is asked of the processor: KVM that is there may be nested, and then never boot.
"""

from lab.machines.build import machines
from lab.machines.machine import Machine
from lab.machines.requirements import available, built

__all__ = ["Machine", "available", "built", "machines"]
