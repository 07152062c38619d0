"""The disk, kernel and initramfs that every machine starts from: a small Debian, of this machine's own package sources.

In: the package sources, and the files in guest/. Out: a folder of the cache with vmlinuz, initramfs, root.img, the keys
by which root and deploy log in, and the host key's public half.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from lab.errors import LabError
from lab.files import DEPLOY, DEPLOY_HASH, SSHD, SUDOERS, make_key

GUEST = Path(__file__).parent / "guest"
ROOT_MIB = 2048
SWAP_MIB = 256
_PACKAGES = [
    *("systemd-sysv", "dbus", "udev", "kmod", "procps", "e2fsprogs", "dmsetup", "util-linux-extra", "python3", "sudo"),
    *("openssh-server", "iproute2", "iputils-ping", "nftables", "iptables", "conntrack", "chrony"),
    *("nfs-kernel-server", "nfs-common", "rpcbind", "fuse3"),
]
_KERNEL = "linux-image-cloud-amd64"
_SOURCE = "$(ORIGIN)\t$(CODENAME)\t$(SUITE)\t$(RELEASE)\t$(REPO_URI)\t$(COMPONENT)\t$(SIGNED_BY)"
_BUILD_SECONDS = 900.0
_FILES = {
    "etc/fstab": "/dev/vda / ext4 errors=remount-ro 0 1\n/dev/vdb none swap sw 0 0\n",
    "etc/resolv.conf": "# No name server: /etc/hosts knows the lab.\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    "etc/sudoers": SUDOERS,
    "etc/ssh/sshd_config": SSHD,
    # No drift file: one written after seconds knows nothing, and chronyd would trust no source for half a minute.
    "etc/chrony/chrony.conf": "server 10.77.0.1 iburst minpoll 0 maxpoll 2\nmakestep 0.1 3\n",
}


@cache
def key() -> str:
    """What the image is of: the recipe, the package sources, and the versions that they have."""
    packages = _told(["apt-cache", "policy", *_PACKAGES, _KERNEL])
    candidates = [line for line in packages.splitlines() if not line.startswith(" ") or "Candidate:" in line]
    recipe = [path.read_text() for path in (Path(__file__), *sorted(GUEST.iterdir()))]
    text = "\n".join([*recipe, *candidates, *_sources(), str(_FILES), DEPLOY_HASH])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def build(folder: Path) -> None:
    """Make the image in `folder`; raises LabError with the last that was said."""
    make_key(folder / "key")
    make_key(folder / "host_key")
    for name, text in _FILES.items():
        path = folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "files/etc/sudoers").chmod(0o440)
    (folder / "sources.list").write_text("\n".join(_sources()) + "\n")
    environment = {**os.environ, "LAB_DEPLOY": f"deploy:{DEPLOY_HASH}", "TMPDIR": str(folder)}
    _run(_bootstrap(folder), environment)
    _run(["sh", "-c", "cd initramfs && find . | cpio --quiet -o -H newc | gzip -1 >../initramfs.gz"], cwd=folder)
    _run(["truncate", f"--size={ROOT_MIB}M", "root.img"], cwd=folder)
    _run(["mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", "root", "root.img"], cwd=folder)
    _run(["truncate", f"--size={SWAP_MIB}M", "swap.img"], cwd=folder)
    _run(["mkswap", "--quiet", "swap.img"], cwd=folder)
    for left in ("root", "files", "initramfs"):
        shutil.rmtree(folder / left)


def _bootstrap(folder: Path) -> list[str]:
    hook = shlex.join(["sh", str(GUEST / "customize")])
    command = ["mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase"]
    command += [f"--include={','.join(_PACKAGES)}", "--aptopt=APT::Install-Recommends false"]
    command += ["--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/doc/*"]
    command += ["--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"]
    command += [f'--customize-hook={hook} "$1" {shlex.quote(str(folder))}']
    return [*command, _codename(), str(folder / "root"), str(folder / "sources.list")]


def _run(command: Sequence[str], environment: dict[str, str] | None = None, *, cwd: Path | None = None) -> None:
    """Run `command` so that it, its mounts and all that it starts are gone with whoever asked."""
    apart = [
        "setpriv",
        "--pdeathsig=KILL",
        "--",
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]
    done = subprocess.run(
        [*apart, "--kill-child", *command],
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=_BUILD_SECONDS,
        cwd=cwd,
        env=environment,
        check=False,
    )
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("E:")] or said[-3:] or [f"exit {done.returncode}"]
        raise LabError(f"no image of a machine: {command[0]}: {'; '.join(errors[:3])}")


@cache
def _sources() -> tuple[str, ...]:
    """This machine's own sources of Debian, as lines for a sources.list."""
    lines: dict[str, None] = {}
    for line in _told(["apt-get", "indextargets", "--format", _SOURCE, "Created-By: Packages"]).splitlines():
        origin, codename, _, release, address, component, signed = line.split("\t")
        if origin == "Debian" and codename.startswith(_codename()):
            option = f" [signed-by={signed}]" if signed.startswith("/") else ""
            lines[f"deb{option} {address} {release} {component}"] = None
    if not lines:
        raise LabError("no image of a machine: this one has no package sources of Debian's")
    return tuple(lines)


@cache
def _codename() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        name, _, value = line.partition("=")
        if name == "VERSION_CODENAME":
            return value.strip('"')
    raise LabError("no image of a machine: /etc/os-release names no release")


def _told(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise LabError(f"no image of a machine: {command[0]}: {done.stderr.strip()}")
    return done.stdout


assert DEPLOY == 1000  # as guest/customize has it
