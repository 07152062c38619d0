"""The files of its own that a lab host starts with: who it is, who may log in, how its sshd behaves.

In: a name, addresses, the lab's public key. Out: a small tree that host.sh copies over the host's root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

DEPLOY = 1000
DEPLOY_PASSWORD = "lab-password"
"""deploy's password on every lab host, for logging in and for sudo."""
DEPLOY_HASH = "$6$shipworthylab$9hRyudFhW9qGJtVbeQHTxp2m5Y2/JZn3QzVUGq/6EYtLmoue4SRahyyOOVPIoKF.5Anx6ZwMqis/sGeS6I07g0"

_PASSWD = """\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
sshd:x:105:65534::/run/sshd:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
deploy:x:1000:1000:deploy:/home/deploy:/bin/bash
"""
_SHADOW = f"""\
root:*:19000:0:99999:7:::
daemon:*:19000:0:99999:7:::
sshd:*:19000:0:99999:7:::
nobody:*:19000:0:99999:7:::
deploy:{DEPLOY_HASH}:19000:0:99999:7:::
"""
_GROUP = """\
root:x:0:
daemon:x:1:
tty:x:5:
utmp:x:43:
shadow:x:42:
sudo:x:27:deploy
nogroup:x:65534:
deploy:x:1000:
"""
SUDOERS = "Defaults env_reset\nroot ALL=(ALL:ALL) ALL\ndeploy ALL=(ALL:ALL) NOPASSWD: ALL\n"
SSHD = """\
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile /run/sshd.pid
UsePAM no
UseDNS no
PermitRootLogin prohibit-password
PasswordAuthentication yes
KbdInteractiveAuthentication no
PrintMotd no
PrintLastLog no
Subsystem sftp internal-sftp
"""


def make_key(path: Path) -> str:
    """Make an ed25519 key pair at `path`; its public half."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(path)]
    subprocess.run(command, check=True, timeout=20, stdin=subprocess.DEVNULL)
    return path.with_name(path.name + ".pub").read_text()


def plant(root: Path, name: str, hosts: Mapping[str, Sequence[str]], authorized: str, host_key: Path) -> None:
    """Write the tree of the host `name` under `root`; `hosts` is every host's addresses, `host_key` its private key."""
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    lines += [f"{address} {other}" for other, addresses in hosts.items() for address in addresses]
    _write(root / "etc/hostname", f"{name}\n")
    _write(root / "etc/hosts", "\n".join(lines) + "\n")
    _write(root / "etc/resolv.conf", "# No name server: /etc/hosts knows the lab.\n")
    _write(root / "etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n")
    _write(root / "etc/passwd", _PASSWD)
    _write(root / "etc/shadow", _SHADOW, 0o640)
    _write(root / "etc/group", _GROUP)
    _write(root / "etc/sudoers", SUDOERS, 0o440)
    _write(root / "etc/ssh/sshd_config", SSHD)
    for half in ("", ".pub"):
        shutil.copy(f"{host_key}{half}", root / f"etc/ssh/ssh_host_ed25519_key{half}")
    _write(root / "root/.ssh/authorized_keys", authorized, 0o600)
    _write(root / "home/deploy/.ssh/authorized_keys", authorized, 0o600)
    (root / "root").chmod(0o700)
    for folder in (root / "root/.ssh", root / "home/deploy/.ssh"):
        folder.chmod(0o700)
    for path in (root / "home/deploy", *(root / "home/deploy").rglob("*")):
        os.chown(path, DEPLOY, DEPLOY)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
