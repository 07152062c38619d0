"""Whether this machine can build labs, and what is missing where it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess

COMMANDS = ("ip", "unshare", "nsenter", "mount", "pivot_root", "ssh-keygen", "ps")
SSHD = "/usr/sbin/sshd"


def available() -> str | None:
    """The reason why there can be no lab here, or None. Asks the kernel, touches nothing."""
    if os.geteuid() != 0:
        return "the lab needs root"
    missing = [command for command in COMMANDS if not shutil.which(command)]
    missing += [SSHD] if not os.access(SSHD, os.X_OK) else []
    if missing:
        return f"the lab needs {', '.join(missing)}: see selftest/packages.txt"
    attempt = [
        "unshare",
        "--net",
        "--mount",
        "--uts",
        "--ipc",
        "--pid",
        "--fork",
        "mount",
        "-t",
        "tmpfs",
        "lab",
        "/mnt",
    ]
    tried = subprocess.run(attempt, capture_output=True, text=True, timeout=20, check=False)
    if tried.returncode:
        return f"the lab needs namespaces: {tried.stderr.strip()}"
    return None
