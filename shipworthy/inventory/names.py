"""Ansible's names for how to log in: what each means here, and what is refused, with what to do instead.

Where a thing has several names, they stand in Ansible's order: the last one that is set wins.
"""

from __future__ import annotations

from collections.abc import Mapping

from shipworthy.inventory.model import Connection

CONNECTIONS: Mapping[str, Connection] = {
    "smart": "paramiko",
    "ssh": "paramiko",
    "ansible.builtin.ssh": "paramiko",
    "paramiko": "paramiko",
    "paramiko_ssh": "paramiko",
    "ansible.builtin.paramiko_ssh": "paramiko",
    "openssh": "openssh",
    "local": "local",
    "ansible.builtin.local": "local",
    "docker": "docker",
    "community.docker.docker": "docker",
    "community.docker.docker_api": "docker",
    "podman": "podman",
    "containers.podman.podman": "podman",
    "kubectl": "kubectl",
    "kubernetes.core.kubectl": "kubectl",
    "lxc": "lxc",
    "community.general.lxc": "lxc",
    "lxd": "lxc",  # testinfra's lxc is LXD's client
    "community.general.lxd": "lxc",
    "chroot": "chroot",
    "community.general.chroot": "chroot",
}

ADDRESS = ("ansible_host", "ansible_ssh_host", "ansible_paramiko_host")
PORT = ("ansible_port", "ansible_ssh_port", "ansible_paramiko_port")
USER = ("ansible_user", "ansible_ssh_user", "ansible_paramiko_user")
PASSWORD = (
    "ansible_password",
    "ansible_ssh_pass",
    "ansible_ssh_password",
    "ansible_paramiko_pass",
    "ansible_paramiko_password",
)
KEY_FILE = ("ansible_private_key_file", "ansible_ssh_private_key_file", "ansible_paramiko_private_key_file")
TIMEOUT = ("ansible_timeout", "ansible_ssh_timeout", "ansible_paramiko_timeout")
KEY_CHECKING = ("ansible_host_key_checking", "ansible_ssh_host_key_checking", "ansible_paramiko_host_key_checking")
ARGUMENTS = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")
BECOME_USER = ("ansible_become_user", "ansible_sudo_user")
BECOME_PASSWORD = ("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass")
KUBECTL = {
    "container": ("ansible_kubectl_container",),
    "namespace": ("ansible_kubectl_namespace",),
    "kubeconfig": ("ansible_kubectl_kubeconfig",),
    "context": ("ansible_kubectl_context",),
}

REFUSED_OVER_SSH = {
    "ansible_ssh_executable": "the `ssh` of PATH is run",
    "ansible_private_key": "keep the key in a file, or in an agent: `ansible_ssh_private_key_file`",
    "ansible_ssh_private_key": "keep the key in a file, or in an agent: `ansible_ssh_private_key_file`",
    "ansible_private_key_passphrase": "give an encrypted key to an agent",
    "ansible_ssh_private_key_passphrase": "give an encrypted key to an agent",
    "ansible_ssh_pkcs11_provider": "use `ansible_connection: openssh` and ssh's own configuration",
}
REFUSED_WITH_BECOME = {
    "ansible_become_exe": "`sudo` of the host's PATH is run",
    "ansible_sudo_exe": "`sudo` of the host's PATH is run",
    "ansible_become_flags": "sudo's flags are Shipworthy's own",
    "ansible_sudo_flags": "sudo's flags are Shipworthy's own",
}
REFUSED_IN_CONTAINERS = {
    "ansible_docker_extra_args": "set DOCKER_HOST and the like in the environment",
    "ansible_podman_extra_args": "set CONTAINER_HOST and the like in the environment",
    "ansible_kubectl_extra_args": "use a kubeconfig and a context",
    "ansible_kubectl_host": "use a kubeconfig and a context",
    "ansible_kubectl_token": "use a kubeconfig and a context",
}
