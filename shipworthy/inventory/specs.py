"""`--hosts`: testinfra's host specifications → hosts, without any inventory.

    db1   root@db1:2222   [::1]:22   ssh://deploy:password@db1?ssh_config=FILE&ssh_identity_file=FILE&timeout=5
    paramiko://…   openssh://…   local://   docker://NAME   podman://NAME   lxc://NAME   chroot:///PATH
    kubectl://POD?container=…&namespace=…&kubeconfig=…&context=…      and on any of them: ?sudo=true&sudo_user=…

A password in it goes no further than its `Secret`: messages show a specification without what stands before the `@`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from shipworthy.errors import InventoryError, Problem
from shipworthy.inventory.model import Become, Connection, Host, Inventory, Secret

SCHEMES: Mapping[str, Connection] = {
    "ssh": "paramiko",  # as `ansible_connection: ssh`: the default link for SSH
    "safe-ssh": "paramiko",
    "paramiko": "paramiko",
    "openssh": "openssh",
    "local": "local",
    "docker": "docker",
    "podman": "podman",
    "kubectl": "kubectl",
    "lxc": "lxc",
    "chroot": "chroot",
}

BY_HOSTS = "--hosts"
"""What stands for an inventory's source where there is none."""

REFUSED = {
    "ansible": "give the inventory itself: --inventory=SOURCE --limit=PATTERN",
    "salt": "Salt's minions are not spoken to: give the host by ssh://",
    "winrm": "Windows is not spoken to",
    "openshift": "use kubectl://",
}

_SUDO = frozenset({"sudo", "sudo_user"})
_SSH = frozenset({"ssh_config", "ssh_identity_file", "timeout"}) | _SUDO
_KUBECTL = ("container", "namespace", "kubeconfig", "context")


class _RefusedError(ValueError):
    """A part of a specification that is not understood or not honoured, in words that quote no secret."""


def from_specs(hosts: str, *, connection: str | None = None) -> Inventory:
    """The hosts of a comma-separated list of specifications; `connection` is for those without a scheme."""
    found: dict[str, Host] = {}
    problems = []
    for spec in (part.strip() for part in hosts.split(",")):
        if not spec:
            continue
        try:
            host = _host(spec, connection or "ssh")
        except _RefusedError as error:
            problems.append(Problem(f"--hosts={_without_credentials(spec)}", str(error)))
            continue
        if found.setdefault(host.name, host) != host:
            problems.append(
                Problem(f"--hosts={_without_credentials(spec)}", f"{host.name} is given twice, differently")
            )
    if not found and not problems:
        problems.append(Problem("--hosts", "names no host"))
    if problems:
        raise InventoryError.of(problems)
    return Inventory(tuple(found.values()), sources=(BY_HOSTS,), variables={name: _magic(name) for name in found})


def _magic(name: str) -> dict[str, object]:
    """What policies may ask of any host."""
    return {"inventory_hostname": name, "inventory_hostname_short": name.split(".")[0], "group_names": []}


def _host(spec: str, default_scheme: str) -> Host:
    try:
        url = urlsplit(spec if "://" in spec else f"{default_scheme}://{spec}")
        port = url.port
    except ValueError:  # its words may quote what stands before the host
        raise _RefusedError("is no host specification, or its port is none") from None
    if url.scheme in REFUSED:
        raise _RefusedError(f"{url.scheme}:// is not spoken here: {REFUSED[url.scheme]}")
    if url.scheme not in SCHEMES:
        raise _RefusedError(f"{url.scheme}:// is unknown; known are {', '.join(SCHEMES)}")
    if port == 0:
        raise _RefusedError("0 is no port")
    connection = SCHEMES[url.scheme]
    options = dict(_query(url, connection))
    become = Become(options.get("sudo_user", "root")) if options.get("sudo") == "true" else None
    if "sudo_user" in options and become is None:
        raise _RefusedError("sudo_user means nothing without sudo=true")
    if connection in ("paramiko", "openssh"):
        return _over_ssh(url, port, connection, options, become)
    return _on_this_machine(url, connection, options, become)


def _over_ssh(
    url: SplitResult, port: int | None, connection: Connection, options: Mapping[str, str], become: Become | None
) -> Host:
    if url.path or url.fragment:
        raise _RefusedError("has a path after the host, which means nothing")
    address = _hostname(url)
    if not address:
        raise _RefusedError("has no host")
    return Host(
        name=_name(address, port),
        address=address,
        connection=connection,
        port=port,
        user=_decoded(url.username),
        password=Secret(password) if (password := _decoded(url.password)) else None,
        private_key_file=_path(options.get("ssh_identity_file")),
        become=become,
        ssh_config=_path(options.get("ssh_config")),
        connect_timeout=_seconds(options.get("timeout")),
    )


def _on_this_machine(
    url: SplitResult, connection: Connection, options: Mapping[str, str], become: Become | None
) -> Host:
    user, _, name = unquote(url.netloc).rpartition("@")
    if connection == "local":
        name = name or "localhost"
    if connection == "chroot":
        name = name + unquote(url.path)
    elif url.path:
        raise _RefusedError("has a path after the name, which means nothing")
    if not name:
        raise _RefusedError("has no name")
    if ":" in user or (user and connection not in ("docker", "podman")):
        raise _RefusedError(f"{connection}:// takes no user or password")
    return Host(
        name=name,
        address=name,
        connection=connection,
        user=user or None,
        become=become,
        container_options=tuple((key, options[key]) for key in _KUBECTL if key in options),
    )


def _query(url: SplitResult, connection: Connection) -> Iterator[tuple[str, str]]:
    honoured = {"paramiko": _SSH, "openssh": _SSH, "kubectl": _SUDO | set(_KUBECTL)}.get(connection, _SUDO)
    try:
        pairs = (
            parse_qsl(url.query, keep_blank_values=True, strict_parsing=True, max_num_fields=16) if url.query else []
        )
    except ValueError:
        raise _RefusedError("has no options after its `?`") from None
    for key, value in pairs:
        if key not in honoured:
            shown = key if key.isidentifier() else "an option without a name"
            raise _RefusedError(
                f"{shown} is not honoured with {url.scheme}://; these are: {', '.join(sorted(honoured))}"
            )
        if key == "sudo":
            value = value.lower()
            if value not in ("true", "false"):
                raise _RefusedError("sudo is `true` or `false`")
        if not value:
            raise _RefusedError(f"{key} is empty")
        yield key, value


def _hostname(url: SplitResult) -> str:
    """`SplitResult.hostname` is in lower case; a Host pattern of ssh's configuration is not."""
    where = url.netloc.rpartition("@")[2]
    if where.startswith("["):
        return where[1 : where.index("]")]
    return unquote(where.partition(":")[0])


def _name(address: str, port: int | None) -> str:
    """Two servers on one address are two hosts."""
    if port in (None, 22):
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _decoded(text: str | None) -> str | None:
    return unquote(text) if text else None


def _path(text: str | None) -> str | None:
    return os.path.abspath(os.path.expanduser(text)) if text else None  # noqa: PTH100, PTH111 - a worker's directory is not ours


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise _RefusedError("timeout is a number of seconds")
    return seconds


def _without_credentials(spec: str) -> str:
    scheme, separator, rest = spec.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
