"""A host's variables → its login: every name of Ansible's is honoured, or refused in words."""

from __future__ import annotations

from typing import Any

import pytest

from shipworthy.inventory import Become, Host, Secret
from shipworthy.inventory.login import Login, host_of
from shipworthy.inventory.ssh_options import HONOURED, MEANINGLESS, ONLY_OFF, OPENSSH_ONLY


def host(**variables: object) -> Host:
    login = Login(variables)
    found = host_of("web1", login, groups=(), default_connection=None)
    assert not login.misfits
    assert found is not None
    return found


def refusal(**variables: object) -> str:
    login = Login(variables)
    assert host_of("web1", login, groups=(), default_connection=None) is None
    return "; ".join(f"{misfit.variable}: {misfit.reason}" for misfit in login.misfits)


HONOURED_VARIABLES: list[tuple[dict[str, object], dict[str, Any]]] = [
    ({}, {}),
    ({"ansible_host": "192.0.2.1"}, {"address": "192.0.2.1"}),
    ({"ansible_host": "a", "ansible_ssh_host": "b"}, {"address": "b"}),
    ({"ansible_port": 2222}, {"port": 2222}),
    ({"ansible_ssh_port": "2222"}, {"port": 2222}),
    ({"ansible_user": "deploy"}, {"user": "deploy"}),
    ({"ansible_ssh_user": 1000}, {"user": "1000"}),
    ({"ansible_password": "p"}, {"password": Secret("p")}),
    ({"ansible_ssh_pass": 1234}, {"password": Secret("1234")}),
    ({"ansible_password": ""}, {}),
    ({"ansible_ssh_private_key_file": "/k"}, {"private_key_file": "/k"}),
    ({"ansible_connection": "ssh"}, {}),
    ({"ansible_connection": "ansible.builtin.paramiko_ssh"}, {}),
    ({"ansible_connection": "openssh"}, {"connection": "openssh"}),
    ({"ansible_connection": "local"}, {"connection": "local"}),
    ({"ansible_connection": "local", "ansible_user": "x", "ansible_ssh_common_args": "-A"}, {"connection": "local"}),
    ({"ansible_connection": "community.docker.docker", "ansible_user": "www"}, {"connection": "docker", "user": "www"}),
    ({"ansible_connection": "containers.podman.podman"}, {"connection": "podman"}),
    ({"ansible_connection": "lxd"}, {"connection": "lxc"}),
    ({"ansible_connection": "chroot", "ansible_host": "/srv/x"}, {"connection": "chroot", "address": "/srv/x"}),
    (
        {"ansible_connection": "kubectl", "ansible_kubectl_pod": "p", "ansible_kubectl_namespace": "n"},
        {"connection": "kubectl", "address": "p", "container_options": (("namespace", "n"),)},
    ),
    ({"ansible_become": True}, {"become": Become()}),
    (
        {"ansible_become": "yes", "ansible_become_user": "www", "ansible_become_password": "p"},
        {"become": Become("www", Secret("p"))},
    ),
    ({"ansible_become": False, "ansible_become_method": "su", "ansible_become_password": "p"}, {}),
    ({"ansible_become": True, "ansible_become_method": "ansible.builtin.sudo"}, {"become": Become()}),
    ({"ansible_python_interpreter": "/usr/bin/python3.6"}, {"python": "/usr/bin/python3.6"}),
    ({"ansible_python_interpreter": "/usr/bin/env python3"}, {"python": "python3"}),
    ({"ansible_python_interpreter": "auto_silent"}, {}),
    ({"ansible_host_key_checking": True}, {"host_key_checking": "yes"}),
    ({"ansible_ssh_host_key_checking": "no"}, {"host_key_checking": "off"}),
    ({"ansible_host_key_checking": "accept-new"}, {"host_key_checking": "accept-new"}),
    ({"ansible_ssh_common_args": "-o StrictHostKeyChecking=no"}, {"host_key_checking": "off"}),
    ({"ansible_ssh_common_args": "-oStrictHostKeyChecking=accept-new"}, {"host_key_checking": "accept-new"}),
    (
        {"ansible_ssh_common_args": "-o StrictHostKeyChecking=no", "ansible_host_key_checking": True},
        {"host_key_checking": "yes"},
    ),
    ({"ansible_timeout": 3}, {"connect_timeout": 3.0}),
    ({"ansible_ssh_timeout": "2.5"}, {"connect_timeout": 2.5}),
    (
        {"ansible_ssh_common_args": "-J user@hop1,hop2 -o 'ProxyCommand=ssh -W %h:%p hop' -C -o ControlMaster=auto"},
        {"ssh_options": (("proxyjump", "user@hop1,hop2"), ("proxycommand", "ssh -W %h:%p hop"))},
    ),
    (
        {"ansible_ssh_common_args": "-o User=a -o ForwardAgent=no", "ansible_ssh_extra_args": "-o 'User b' -Jhop"},
        {"ssh_options": (("user", "a"), ("proxyjump", "hop"))},
    ),
    (
        {"ansible_ssh_common_args": "-o IdentityFile=/a -o IdentityFile=/b"},
        {"ssh_options": (("identityfile", "/a"), ("identityfile", "/b"))},
    ),
    (
        {"ansible_connection": "openssh", "ansible_ssh_common_args": "-o GSSAPIAuthentication=yes"},
        {"connection": "openssh", "ssh_options": (("gssapiauthentication", "yes"),)},
    ),
    ({"ansible_paramiko_proxy_command": "nc %h %p"}, {"ssh_options": (("proxycommand", "nc %h %p"),)}),
]


@pytest.mark.parametrize(("variables", "expected"), HONOURED_VARIABLES)
def test_a_variable_is_honoured(variables: dict[str, object], expected: dict[str, Any]) -> None:
    assert host(**variables) == Host(**{"name": "web1", "address": "web1"} | expected)


REFUSED_VARIABLES: list[tuple[dict[str, object], str]] = [
    ({"ansible_host": ""}, "ansible_host: is empty"),
    ({"ansible_host": ["a"]}, "ansible_host: must be a text, and is a list: put it in quotes"),
    ({"ansible_port": 0}, "ansible_port: is no port, which is 1 to 65535"),
    ({"ansible_port": 65536}, "ansible_port: is no port, which is 1 to 65535"),
    ({"ansible_port": "٢٢"}, "ansible_port: is no port, which is 1 to 65535"),
    ({"ansible_ssh_port": True}, "ansible_ssh_port: is no port, which is 1 to 65535"),
    ({"ansible_password": 1.5}, "ansible_password: must be a text, and is a fraction: put it in quotes"),
    ({"ansible_password": True}, "ansible_password: must be a text, and is a truth value: put it in quotes"),
    ({"ansible_timeout": 0}, "ansible_timeout: is no number of seconds, above 0 and at most a day"),
    ({"ansible_timeout": "nan"}, "ansible_timeout: is no number of seconds, above 0 and at most a day"),
    ({"ansible_timeout": "inf"}, "ansible_timeout: is no number of seconds, above 0 and at most a day"),
    (
        {"ansible_connection": "winrm"},
        (
            "ansible_connection: 'winrm' is no connection that is honoured; these are: "
            "smart, ssh, paramiko, paramiko_ssh, openssh, local, docker, podman, kubectl, lxc, lxd, chroot"
        ),
    ),
    ({"ansible_become": "perhaps"}, "ansible_become: must be true or false"),
    (
        {"ansible_become": True, "ansible_become_method": "su"},
        "ansible_become_method: 'su' is not honoured, only sudo is",
    ),
    (
        {"ansible_become": True, "ansible_become_flags": "-E"},
        "ansible_become_flags: is not honoured: sudo's flags are Shipworthy's own",
    ),
    ({"ansible_host_key_checking": "maybe"}, "ansible_host_key_checking: must be true, false or accept-new"),
    (
        {"ansible_host_key_checking": "accept-new", "ansible_password": "canary"},
        (
            "ansible_host_key_checking: accept-new would send the password to whoever answers first: "
            "use keys, or known hosts"
        ),
    ),
    (
        {
            "ansible_ssh_common_args": "-o StrictHostKeyChecking=accept-new",
            "ansible_become": True,
            "ansible_become_password": "canary",
        },
        (
            "ansible_ssh_common_args: accept-new would send the password to whoever answers first: "
            "use keys, or known hosts"
        ),
    ),
    (
        {"ansible_python_interpreter": "/usr/bin/python3 -E"},
        "ansible_python_interpreter: must be one path or command, without arguments",
    ),
    (
        {"ansible_python_interpreter": "a\nb"},
        "ansible_python_interpreter: must be one path or command, without arguments",
    ),
    ({"ansible_ssh_executable": "/opt/ssh"}, "ansible_ssh_executable: is not honoured: the `ssh` of PATH is run"),
    (
        {"ansible_ssh_private_key": "canary"},
        (
            "ansible_ssh_private_key: is not honoured: keep the key in a file, or in an agent: "
            "`ansible_ssh_private_key_file`"
        ),
    ),
    (
        {"ansible_ssh_common_args": "-A"},
        "ansible_ssh_common_args: -A is not honoured, only -o and -J are; agents are never forwarded",
    ),
    (
        {"ansible_ssh_common_args": "-F my.cfg"},
        "ansible_ssh_common_args: -F is not honoured, only -o and -J are; use `~/.ssh/config`, or Host blocks of it",
    ),
    (
        {"ansible_ssh_common_args": "-o ForwardAgent=yes"},
        "ansible_ssh_common_args: -o ForwardAgent is never done here: only `no` is accepted",
    ),
    (
        {"ansible_ssh_common_args": "-o GSSAPIAuthentication=yes"},
        "ansible_ssh_common_args: -o GSSAPIAuthentication is honoured with `ansible_connection: openssh` only",
    ),
    (
        {"ansible_ssh_common_args": "-o LocalCommand=canary"},
        f"ansible_ssh_common_args: -o LocalCommand is not honoured; these are: {', '.join(sorted(HONOURED))}",
    ),
    ({"ansible_ssh_common_args": "-o User="}, "ansible_ssh_common_args: -o User has no value"),
    ({"ansible_ssh_common_args": "-J"}, "ansible_ssh_common_args: -J has no value"),
    ({"ansible_ssh_common_args": "'canary"}, "ansible_ssh_common_args: is no command line: No closing quotation"),
    (
        {"ansible_ssh_common_args": "canary"},
        "ansible_ssh_common_args: has a word that belongs to no option; only -o and -J are honoured",
    ),
    (
        {"ansible_connection": "docker", "ansible_docker_extra_args": "--tls"},
        "ansible_docker_extra_args: is not honoured: set DOCKER_HOST and the like in the environment",
    ),
]


@pytest.mark.parametrize(("variables", "message"), REFUSED_VARIABLES)
def test_a_variable_is_refused_in_words(variables: dict[str, object], message: str) -> None:
    assert refusal(**variables) == message
    assert "canary" not in message


def test_every_misfit_of_a_host_is_told() -> None:
    assert refusal(ansible_port=0, ansible_timeout=0, ansible_connection="x").count(";") >= 2


def test_settings_are_the_default_of_variables() -> None:
    login = Login({"ansible_port": 1}, settings={"ansible_port": 2, "ansible_user": "cfg"})
    found = host_of("web1", login, groups=(), default_connection=None)
    assert found is not None
    assert (found.port, found.user) == (1, "cfg")


def test_each_keyword_is_in_one_list() -> None:
    lists = (HONOURED, OPENSSH_ONLY, MEANINGLESS, ONLY_OFF)
    assert sum(map(len, lists)) == len(frozenset().union(*lists))
