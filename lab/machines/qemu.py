"""How a machine is run: QEMU's command line, and QMP, by which it is told to save itself.

In: where the image lies, the machine's place in its lab, its own folder. Out: an argument list; a conversation.
"""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
from functools import cache
from pathlib import Path

from lab.errors import LabError
from lab.waiting import wait_until

PROGRAM = "qemu-system-x86_64"
MEMORY_MIB = 384
AGENT = "lab.agent"
DISKS = ("root", "swap")
_KERNEL = "console=ttyS0 quiet random.trust_cpu=on mitigations=off audit=0 net.ifnames=0 panic=-1"
# microvm is quicker, and hung in one of four boots under emulation. KVM that is there may be nested, and then hang.
_HARDWARE = f"""
    -machine q35 -accel tcg,thread=multi,tb-size=128 -cpu Nehalem -smp 2 -m {MEMORY_MIB}
    -nodefaults -no-user-config -display none
    -device virtio-rng-pci -device virtio-serial-pci -device virtserialport,chardev=agent,name={AGENT}
""".split()
_SAVE_SECONDS = 60.0


@cache
def version() -> str:
    """What QEMU says of itself: a saved state is good for no other."""
    return subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout


def hardware() -> str:
    """All of the machine that a saved state is bound to."""
    return " ".join([version(), *_HARDWARE, _KERNEL])


def command(image: Path, place: int, home: Path, disks: Path, memory: Path | None) -> list[str]:
    """QEMU with root.qcow2 and swap.qcow2 of `disks`, switched on, or with the `memory` that was saved.

    `home` is where it makes its sockets, and what the kernel says.
    """
    drives = []
    for name in DISKS:
        drives += ["-drive", f"if=none,id={name},file={disks}/{name}.qcow2,format=qcow2,cache=unsafe,discard=unmap"]
        drives += ["-device", f"virtio-blk-pci,drive={name},serial={name}"]
    network = ["-netdev", f"tap,id=net,ifname=tap{place},script=no,downscript=no"]
    network += ["-device", f"virtio-net-pci,netdev=net,mac=52:54:00:77:00:{10 + place:02x}"]
    lines = ["-serial", f"file:{home}/console", "-qmp", f"unix:{home}/qmp,server=on,wait=off"]
    lines += ["-chardev", f"socket,id=agent,path={home}/agent,server=on,wait=off"]
    kernel = ["-kernel", f"{image}/vmlinuz", "-initrd", f"{image}/initramfs.gz"]
    kernel += ["-append", f"{_KERNEL} lab.place={place}"]
    saved = ["-incoming", f"exec:cat {shlex.quote(str(memory))}"] if memory else []
    return [PROGRAM, *_HARDWARE, *drives, *network, *lines, *kernel, *saved]


def overlay(disk: Path, backing: Path, kind: str) -> None:
    """Make `disk`, which reads as `backing` until it is written to."""
    made = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", kind, "-b", str(backing), str(disk)]
    done = subprocess.run(made, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        raise LabError(f"no disk {disk.name}: {done.stderr.strip()}")


class Monitor:
    """QMP with one machine."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("r")
        self._lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, what: str, **arguments: object) -> dict[str, object]:
        """The answer to a command; what happens meanwhile is passed over."""
        self._socket.sendall(json.dumps({"execute": what, "arguments": arguments}).encode() + b"\n")
        while line := self._lines.readline():
            told = json.loads(line)
            if "error" in told:
                raise LabError(f"QEMU: {what}: {told['error']['desc']}")
            if "return" in told:
                answer: dict[str, object] = told["return"]
                return answer
        raise LabError(f"QEMU: {what}: it ended")

    def save(self, memory: Path) -> None:
        """Write the machine's memory to a file, and end it: its disks stay as they were at that moment."""
        self.ask("migrate-set-parameters", **{"max-bandwidth": 2**40, "downtime-limit": 2000})
        self.ask("migrate", uri=f"exec:cat >{shlex.quote(str(memory))}")
        wait_until(self._saved, within=_SAVE_SECONDS, what=f"{memory} to be saved")
        self.ask("quit")
        self._socket.close()

    def _saved(self) -> bool:
        status = self.ask("query-migrate").get("status")
        if status in {"failed", "cancelled"}:
            raise LabError("QEMU could not save a machine")
        return status == "completed"
