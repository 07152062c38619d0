"""`--hosts`: testinfra's specifications, each honoured or refused in words that hold no password."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipworthy.errors import InventoryError
from shipworthy.inventory import Become, Host, Secret, from_specs


def ssh(name: str, address: str | None = None, **rest: object) -> Host:
    return Host(name=name, address=address or name, **rest)  # type: ignore[arg-type]


SPECS = {
    "db1": ssh("db1"),
    "ssh://db1": ssh("db1"),
    "safe-ssh://db1": ssh("db1"),
    "paramiko://db1": ssh("db1"),
    "openssh://db1": ssh("db1", connection="openssh"),
    "root@db1:22": ssh("db1", user="root", port=22),
    "root@db1:2222": ssh("db1:2222", "db1", user="root", port=2222),
    "ssh://Web1.Example.ORG": ssh("Web1.Example.ORG"),
    "[::1]:22": ssh("::1", port=22),
    "[fd00::2]:2222": ssh("[fd00::2]:2222", "fd00::2", port=2222),
    "user:p%40ss%2Cw%3Ard@db1": ssh("db1", user="user", password=Secret("p@ss,w:rd")),
    "paramiko://user:pass@db1": ssh("db1", user="user", password=Secret("pass")),
    "ssh://db1?ssh_config=/etc/c&ssh_identity_file=/k&timeout=7": ssh(
        "db1", ssh_config="/etc/c", private_key_file="/k", connect_timeout=7.0
    ),
    "ssh://db1?ssh_identity_file=~/k": ssh("db1", private_key_file=str(Path("~/k").expanduser())),
    "ssh://db1?sudo=True": ssh("db1", become=Become()),
    "ssh://db1?sudo=true&sudo_user=www": ssh("db1", become=Become("www")),
    "ssh://db1?sudo=false": ssh("db1"),
    "local://": ssh("localhost", connection="local"),
    "local://here?sudo=true": ssh("here", connection="local", become=Become()),
    "docker://app": ssh("app", connection="docker"),
    "docker://www@app": ssh("app", connection="docker", user="www"),
    "podman://app": ssh("app", connection="podman"),
    "lxc://box": ssh("box", connection="lxc"),
    "chroot:///srv/root": ssh("/srv/root", connection="chroot"),
    "kubectl://pod?container=c&namespace=n&kubeconfig=/k&context=x": ssh(
        "pod",
        connection="kubectl",
        container_options=(("container", "c"), ("namespace", "n"), ("kubeconfig", "/k"), ("context", "x")),
    ),
}


@pytest.mark.parametrize("spec", SPECS)
def test_a_specification_is_a_host(spec: str) -> None:
    assert from_specs(spec).hosts == (SPECS[spec],)


REFUSED = {
    "ansible://web": "ansible:// is not spoken here: give the inventory itself: --inventory=SOURCE --limit=PATTERN",
    "salt://web": "salt:// is not spoken here: Salt's minions are not spoken to: give the host by ssh://",
    "winrm://web": "winrm:// is not spoken here: Windows is not spoken to",
    "telnet://web": (
        "telnet:// is unknown; known are ssh, safe-ssh, paramiko, openssh, local, docker, podman, kubectl, lxc, chroot"
    ),
    "db1:port": "is no host specification, or its port is none",
    "db1:70000": "is no host specification, or its port is none",
    "db1:0": "0 is no port",
    "[::1": "is no host specification, or its port is none",
    "ssh://": "has no host",
    "ssh://db1/etc": "has a path after the host, which means nothing",
    "docker://": "has no name",
    "local://user@here": "local:// takes no user or password",
    "ssh://db1?controlpersist=60": (
        "controlpersist is not honoured with ssh://; these are: ssh_config, ssh_identity_file, sudo, sudo_user, timeout"
    ),
    "docker://app?timeout=3": "timeout is not honoured with docker://; these are: sudo, sudo_user",
    "ssh://db1?sudo_user=www": "sudo_user means nothing without sudo=true",
    "ssh://db1?sudo=perhaps": "sudo is `true` or `false`",
    "ssh://db1?timeout=soon": "timeout is a number of seconds",
    "ssh://db1?timeout=nan": "timeout is a number of seconds",
    "ssh://db1?ssh_config=": "ssh_config is empty",
    "ssh://db1?nonsense": "has no options after its `?`",
}


@pytest.mark.parametrize("spec", REFUSED)
def test_what_cannot_be_honoured_is_refused(spec: str) -> None:
    with pytest.raises(InventoryError) as raised:
        from_specs(spec)
    assert str(raised.value) == f"--hosts={spec.replace('user@', '')}: {REFUSED[spec]}"


@pytest.mark.parametrize(
    "spec",
    [
        "user:canary@db1:port",
        "ssh://user:canary@db1/x",
        "ssh://user:can/canary@db1",
        "ssh://user:canary#canary@db1",
        "ssh://user:canary?canary@db1",
        "user:canary@[db1",
        "telnet://user:canary@db1",
        "docker://user:canary@app",
    ],
)
def test_a_password_is_in_no_message(spec: str) -> None:
    with pytest.raises(InventoryError) as raised:
        from_specs(spec)
    assert "canary" not in str(raised.value)


def test_a_list_is_several_hosts_and_the_same_one_twice_is_one() -> None:
    inventory = from_specs("db1, root@db2,db1,,docker://app")
    assert [host.name for host in inventory.hosts] == ["db1", "db2", "app"]
    assert inventory.sources == ("--hosts",)
    assert inventory.variables["db2"]["inventory_hostname"] == "db2"


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(InventoryError) as raised:
        from_specs("db1,root@db1,salt://x")
    assert [str(problem) for problem in raised.value.problems] == [
        "--hosts=db1: db1 is given twice, differently",
        f"--hosts=salt://x: {REFUSED['salt://web']}",
    ]


def test_no_host_is_refused() -> None:
    with pytest.raises(InventoryError, match="--hosts: names no host"):
        from_specs(" , ")


def test_the_option_is_for_those_without_a_scheme() -> None:
    names = [host.connection for host in from_specs("db1,docker://app", connection="openssh").hosts]
    assert names == ["openssh", "docker"]


def test_patterns_of_policies_match_them() -> None:
    inventory = from_specs("web1,web2,db1")
    assert inventory.matching("web*") == ("web1", "web2")
    assert inventory.matching("all") == ("web1", "web2", "db1")
