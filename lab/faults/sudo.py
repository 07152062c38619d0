"""Logging in as deploy and becoming root by sudo, and the ways in which sudo does not let one.

Each gives what the inventory must say to meet it: the ordinary user, `ansible_become`, and a password or none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lab.faults import NOTHING, confirm, fault, unreachable
from lab.files import DEPLOY_PASSWORD, SUDOERS
from lab.host import LabHost

WRONG_PASSWORD = "not-the-lab-password"
_BECOME: Mapping[str, object] = {"ansible_user": "deploy", "ansible_become": True}


@contextmanager
def _wanting_a_password(host: LabHost) -> Iterator[None]:
    host.write("/etc/sudoers", SUDOERS.replace("NOPASSWD: ", ""), mode="440")
    try:
        said = host.login("sudo -n true", user="deploy").stderr
        confirm("a password is required" in said, host, f"sudo says {said!r}")
        yield
    finally:
        host.write("/etc/sudoers", SUDOERS, mode="440")


@fault(turns=NOTHING)
def sudo_with_password(host: LabHost) -> Iterator[Mapping[str, object]]:
    """sudo wants a password, and the inventory has it. To be borne."""
    with _wanting_a_password(host):
        yield {**_BECOME, "ansible_become_password": DEPLOY_PASSWORD}


@fault(turns=unreachable)
def sudo_with_wrong_password(host: LabHost) -> Iterator[Mapping[str, object]]:
    """sudo wants a password, and the inventory has another one."""
    with _wanting_a_password(host):
        yield {**_BECOME, "ansible_become_password": WRONG_PASSWORD}


@fault(turns=unreachable)
def sudo_without_password(host: LabHost) -> Iterator[Mapping[str, object]]:
    """sudo wants a password, and the inventory has none."""
    with _wanting_a_password(host):
        yield _BECOME


@fault(turns=NOTHING)
def sudo_with_needless_password(host: LabHost) -> Iterator[Mapping[str, object]]:
    """sudo wants no password, and the inventory has one: python must not read it as its program. To be borne."""
    confirm(host.login("sudo -n id -u", user="deploy").stdout == "0\n", host, "sudo without a password")
    yield {**_BECOME, "ansible_become_password": DEPLOY_PASSWORD}


@fault(turns=unreachable)
def no_sudo(host: LabHost) -> Iterator[Mapping[str, object]]:
    """The inventory says to become root, and there is no sudo."""
    host.run(["mv", "/usr/bin/sudo", "/usr/bin/sudo.lab-moved"])
    try:
        confirm(host.login("command -v sudo", user="deploy").returncode != 0, host, "a host without sudo")
        yield _BECOME
    finally:
        host.run(["mv", "/usr/bin/sudo.lab-moved", "/usr/bin/sudo"])


@fault(turns=unreachable)
def not_a_sudoer(host: LabHost) -> Iterator[Mapping[str, object]]:
    """The password is right, and deploy may not use sudo at all."""
    host.write("/etc/sudoers", "root ALL=(ALL:ALL) ALL\n", mode="440")
    try:
        confirm(host.login("sudo -n true", user="deploy").returncode == 1, host, "a user who may not use sudo")
        yield {**_BECOME, "ansible_become_password": DEPLOY_PASSWORD}
    finally:
        host.write("/etc/sudoers", SUDOERS, mode="440")
