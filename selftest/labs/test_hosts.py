"""A lab's hosts are what they say they are: real logins, on both families, on machines of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import DEPLOY_PASSWORD, Lab, LabError, lab, write_inventory


def test_root_logs_in_over_both_families(fleet: Lab) -> None:
    for host in fleet:
        for address in (host.address, host.address6):
            assert host.login("hostname; id -u", address=address).stdout == f"{host.name}\n0\n"


def test_the_ordinary_user_logs_in_and_becomes_root_by_sudo(fleet: Lab) -> None:
    db, _ = fleet
    assert db.login("id -un; sudo -n id -un", user="deploy").stdout == "deploy\nroot\n"


def test_the_ordinary_user_has_a_password(fleet: Lab) -> None:
    db, _ = fleet
    script = f"echo '{DEPLOY_PASSWORD}' | sudo -S -k -p '' id -un"
    before = db.read("/etc/sudoers")
    db.write("/etc/sudoers", "deploy ALL=(ALL) ALL\n", mode="440")
    try:
        assert (
            db.run(["setpriv", "--reuid=1000", "--regid=1000", "--init-groups", "sh", "-c", script]).stdout == "root\n"
        )
    finally:
        db.write("/etc/sudoers", before, mode="440")


def test_each_host_has_its_own_files_processes_and_key(fleet: Lab) -> None:
    db, web = fleet
    db.write("/srv/only-here", "yes")
    db.write("/tmp/only-here", "yes")
    assert not web.exists("/srv/only-here")
    assert not web.exists("/tmp/only-here")
    assert not Path("/srv/only-here").exists()
    key = "/etc/ssh/ssh_host_ed25519_key"
    assert db.read(key) != web.read(key)
    assert all(len(host.processes()) < 10 for host in fleet)
    assert "web" in db.read("/etc/hosts")
    assert db.read("/proc/sys/kernel/random/boot_id") != web.read("/proc/sys/kernel/random/boot_id")


def test_the_machines_own_home_and_network_are_not_seen(fleet: Lab) -> None:
    db, _ = fleet
    assert db.run(["ls", "-A", "/root/.ssh"]).stdout == "authorized_keys\n"
    assert sorted(db.shell("ls /sys/class/net").split()) == ["eth0", "lo"]


def test_an_orphan_is_reaped(fleet: Lab) -> None:
    db, _ = fleet
    db.shell("(sleep 0.01 &) ; sleep 0.1")
    assert not [name for name in db.processes().values() if "defunct" in name]


def test_a_failing_command_says_so(fleet: Lab) -> None:
    db, _ = fleet
    with pytest.raises(LabError, match=r"^db: cat /nowhere: exit 1: .*No such file"):
        db.read("/nowhere")


def test_the_inventory_names_every_host(fleet: Lab, tmp_path: Path) -> None:
    path = write_inventory(fleet, tmp_path, variables={"web": {"ansible_user": "deploy", "ansible_port": None}})
    text = path.read_text()
    assert text.count("ansible_host") == 2
    assert text.count("ansible_port") == 1
    assert '"ansible_user": "deploy"' in text


def test_ten_hosts_are_ten_hosts() -> None:
    with lab(hosts=10) as fleet:
        assert len({host.run(["hostname"]).stdout for host in fleet}) == 10


def test_two_labs_do_not_see_each_other() -> None:
    with lab(names=["alpha"]) as one, lab(names=["beta"]) as two:
        assert one[0].address == two[0].address
        assert one[0].login("hostname").stdout == "alpha\n"
        assert two[0].login("hostname").stdout == "beta\n"


@pytest.mark.parametrize("names", [[], ["a", "a"], ["../x"], ["sixteen-letters-x"], ["lab0"]])
def test_bad_names_are_refused(names: list[str]) -> None:
    with pytest.raises(LabError, match="no names for a lab"), lab(names=names):
        pass
