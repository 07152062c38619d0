"""Inventories as people write them: read by Ansible, limited by its patterns, opened with its vault."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shipworthy.errors import InventoryError
from shipworthy.inventory import Host, Inventory, Matches, Secret, load

HERE = Path(__file__).parent
ROOT = HERE.parent
VAULT_PASSWORD = str(HERE / "inventories" / "vault-password")

Read = dict[str, Host]


def read(*sources: str, limit: str | None = None, **options: object) -> Inventory:
    return load(sources, limit, rootdir=HERE, **options)  # type: ignore[arg-type]


def hosts(inventory: Inventory) -> Read:
    return {host.name: host for host in inventory.hosts}


def written(folder: Path, text: str, name: str = "hosts.yml") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


@pytest.fixture(scope="module")
def fleet() -> Inventory:
    """INI, YAML, a script, a plugin, group_vars and host_vars in one directory."""
    return read("fleet")


class TestReading:
    def test_every_notation_of_a_directory_adds_its_hosts(self, fleet: Inventory) -> None:
        assert list(hosts(fleet)) == ["web1", "web2", "web3", "web4", "db1", "db2", "edge1"]

    def test_values_are_templated_for_each_host(self, fleet: Inventory) -> None:
        assert hosts(fleet)["web3"].address == "web3.example.org"

    def test_a_script_s_values_are_templated_too(self, fleet: Inventory) -> None:
        assert (hosts(fleet)["edge1"].address, hosts(fleet)["edge1"].user) == ("192.0.2.7", "edge-example.org")

    def test_a_plugin_makes_its_groups(self, fleet: Inventory) -> None:
        assert hosts(fleet)["web1"].groups == ("all", "eu", "odd", "web")

    def test_host_vars_go_before_group_vars(self, fleet: Inventory) -> None:
        assert fleet.variables["web1"]["site"] == "everywhere"
        assert fleet.variables["web2"]["site"] == "EXAMPLE.ORG"

    def test_sources_are_told_as_they_are_known_here(self, fleet: Inventory) -> None:
        assert fleet.sources == ("inventories/fleet",)

    def test_several_sources_are_one_inventory(self) -> None:
        both = read("fleet", "web9,web10,")
        assert {"web1", "web9", "web10"} <= set(hosts(both))

    def test_a_name_may_have_another_host_s_variables(self, tmp_path: Path) -> None:
        source = written(tmp_path, "all: {hosts: {a: {x: 1}, b: {ansible_port: \"{{ hostvars['a'].x + 2200 }}\"}}}")
        assert hosts(read(source))["b"].port == 2201

    def test_this_machine_is_the_default_inventory(self) -> None:
        local = load(["local"], rootdir=ROOT)
        assert local.hosts == (Host(name="localhost", address="localhost", connection="local"),)

    def test_the_example_says_what_it_means(self) -> None:
        example = hosts(load(["example"], rootdir=ROOT))
        assert list(example) == ["web1", "web2", "web3", "db1", "db2", "jump1"]
        assert example["db1"] == Host(
            name="db1",
            address="db1.example.org",
            port=2222,
            user="dba",
            python="/usr/libexec/platform-python",
            ssh_options=(("proxyjump", "jump1.example.org"), ("userknownhostsfile", "~/.ssh/known_hosts_fleet")),
            host_key_checking="yes",
            connect_timeout=5.0,
        )
        assert example["jump1"].ssh_options == ()
        assert example["db2"].address == "2001:db8:0:2::12"

    def test_hosts_can_be_sent_to_another_process(self, fleet: Inventory) -> None:
        assert pickle.loads(pickle.dumps(fleet.hosts)) == fleet.hosts

    def test_hostile_names_are_kept_as_they_are(self, tmp_path: Path) -> None:
        name = "<img src=x onerror=alert(1)>\x1b[31m\n::error::\"'\x00"
        (tmp_path / "names.json").write_text(json.dumps({"web": {"hosts": [name]}, "_meta": {"hostvars": {}}}))
        script = written(tmp_path, f"#!/bin/sh\ncat {tmp_path}/names.json", "hosts")
        Path(script).chmod(0o700)
        assert list(hosts(read(script))) == [name]


class TestVariables:
    def test_values_are_plain_data(self, tmp_path: Path) -> None:
        source = written(tmp_path, "all: {hosts: {a: {x: {n: [1, 2.5, true, null, '{{ 1 + 1 }}', 2026-01-02]}}}}")
        value = read(source).variables["a"]["x"]
        assert value == {"n": [1, 2.5, True, None, 2, "2026-01-02"]}
        assert isinstance(value, dict)
        assert [type(item) for item in value["n"]] == [int, float, bool, type(None), int, str]
        assert type(value) is dict

    def test_what_only_playbooks_know_does_no_harm_until_it_is_asked_for(self, fleet: Inventory) -> None:
        with pytest.raises(InventoryError) as raised:
            fleet.variables["web1"]["motd"]
        assert str(raised.value) == (
            "inventories/fleet/group_vars/web/motd.yml:1: motd of web1: 'only_a_playbook_knows_this' is undefined"
        )

    def test_looking_at_all_of_them_leaves_out_what_cannot_be_rendered(self, fleet: Inventory) -> None:
        everything = dict(fleet.variables["web1"])
        assert everything["inventory_hostname"] == "web1"
        assert everything["group_names"] == ["eu", "odd", "web"]
        assert "motd" not in everything
        assert "hostvars" not in everything

    def test_a_variable_that_is_not_there_is_a_key_error(self, fleet: Inventory) -> None:
        with pytest.raises(KeyError):
            fleet.variables["web1"]["nobody_wrote_this"]

    def test_they_never_show_themselves(self) -> None:
        vault = read("vault", vault_password_files=[VAULT_PASSWORD])
        assert "canary" not in repr(vault) + repr(vault.variables) + str(vault.variables["db1"])


class TestPatterns:
    """Ansible's semantics, over the whole inventory."""

    @pytest.mark.parametrize(
        ("limit", "expected"),
        [
            ("all", "web1 web2 web3 web4 db1 db2 edge1"),
            ("web", "web1 web2 web3 web4"),
            ("web:&eu:!web3", "web1"),
            ("web,&eu,!web3", "web1"),
            ("web:db", "web1 web2 web3 web4 db1 db2"),
            ("*1", "web1 db1 edge1"),
            ("~(web|db)[12]", "web1 web2 db1 db2"),
            ("web[0]", "web1"),
            ("web[-1]", "web4"),
            ("web[1:2]", "web2 web3"),
            ("!web", "db1 db2 edge1"),
            ("ungrouped:db1", "db1"),
        ],
    )
    def test_limit_takes_every_pattern(self, limit: str, expected: str) -> None:
        assert " ".join(hosts(read("fleet", limit=limit))) == expected

    def test_limit_takes_a_file_of_patterns(self, tmp_path: Path) -> None:
        file = written(tmp_path, "db\nweb:&eu\n", "limit")
        assert list(hosts(read("fleet", limit=f"@{file}"))) == ["web1", "web3", "db1"]

    @pytest.mark.parametrize(
        ("limit", "message"),
        [
            ("nope", "--limit=nope: 'nope' is no host and no group of the inventory"),
            ("web:!nope", "--limit=web:!nope: 'nope' is no host and no group of the inventory"),
            ("db:&edge", "--limit=db:&edge: selects no host"),
            ("", "--limit=: selects no host"),
            (" , ", "--limit= , : selects no host"),
            ("localhost", "--limit=localhost: 'localhost' is no host and no group of the inventory"),
            ("web1,localhost", "--limit=web1,localhost: 'localhost' is no host and no group of the inventory"),
            ("web[9]", "--limit=web[9]: No hosts matched the subscripted pattern 'web[9]'"),
            ("~(", "--limit=~(: Invalid host list pattern: ~("),
            ("@/nowhere", "--limit=@/nowhere: Unable to find limit file b'/nowhere'"),
            (
                "@/dev/null",
                "--limit=@/dev/null: Limit starting with \"@\" must be a file, not a directory: b'/dev/null'",
            ),
        ],
    )
    def test_a_limit_that_selects_nothing_is_refused(self, limit: str, message: str) -> None:
        with pytest.raises(InventoryError) as raised:
            read("fleet", limit=limit)
        assert str(raised.value) == message

    def test_an_empty_file_of_patterns_is_not_everything(self, tmp_path: Path) -> None:
        file = written(tmp_path, "\n\n", "limit")
        with pytest.raises(InventoryError, match="selects no host"):
            read("fleet", limit=f"@{file}")

    def test_plays_are_matched_over_the_whole_inventory(self) -> None:
        limited = read("fleet", limit="db")
        assert limited.matching("web") == ()
        assert limited.matching("web:db1") == ("db1",)
        assert limited.matching("web:&eu", everywhere=True) == ("web1", "web3")

    def test_a_part_that_names_nothing_is_said_and_not_printed(
        self, fleet: Inventory, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert fleet.find("db:!typo") == Matches(("db1", "db2"), unmatched=("typo",))
        assert fleet.find("localhost") == Matches((), unmatched=("localhost",))
        assert capfd.readouterr() == ("", "")

    def test_what_is_no_pattern_is_an_error(self, fleet: Inventory) -> None:
        with pytest.raises(InventoryError, match="Invalid host list pattern"):
            fleet.matching("~(")

    def test_hosts_without_an_inventory_match_by_their_groups(self) -> None:
        by_hand = Inventory((Host("a", "a", groups=("web",)), Host("b", "b")), sources=())
        assert by_hand.matching("web") == ("a",)
        assert by_hand.matching("all") == ("a", "b")


class TestVault:
    def test_opens_files_and_values(self) -> None:
        db1 = hosts(read("vault", vault_password_files=[VAULT_PASSWORD]))["db1"]
        assert (db1.user, db1.password) == ("vaulted-user", Secret("canary-vaulted"))

    def test_forgets_the_password_of_the_inventory_before(self) -> None:
        read("vault", vault_password_files=[VAULT_PASSWORD])
        with pytest.raises(InventoryError, match="its password is not known: set ANSIBLE_VAULT_PASSWORD_FILE"):
            read("vault")

    def test_says_that_a_password_is_wrong(self, tmp_path: Path) -> None:
        wrong = written(tmp_path, "wrong", "password")
        with pytest.raises(InventoryError, match="no known password opens it") as raised:
            read("vault", vault_password_files=[wrong])
        assert "wrong" not in str(raised.value)

    def test_asks_nobody(self) -> None:
        with pytest.raises(InventoryError, match="no password is asked for here"):
            read("vault", vault_password_files=["prod@prompt"])

    def test_a_script_may_know_the_password(self, tmp_path: Path) -> None:
        script = written(tmp_path, f"#!/bin/sh\ncat {VAULT_PASSWORD}\n", "password-script")
        Path(script).chmod(0o700)
        assert hosts(read("vault", vault_password_files=[script]))["db1"].user == "vaulted-user"

    def test_takes_the_password_file_of_ansible_s_environment(self) -> None:
        run = in_a_process("vault", ANSIBLE_VAULT_PASSWORD_FILE=VAULT_PASSWORD)
        assert (run.stdout, run.stderr) == ("db1 vaulted-user None\n", "")

    def test_takes_the_password_file_of_ansible_cfg(self, tmp_path: Path) -> None:
        settings = written(tmp_path, f"[defaults]\nvault_password_file = {VAULT_PASSWORD}\n", "ansible.cfg")
        run = in_a_process("vault", ANSIBLE_CONFIG=settings)
        assert (run.stdout, run.stderr) == ("db1 vaulted-user None\n", "")


PROGRAM = """
import sys
from pathlib import Path
from shipworthy.inventory import load
from shipworthy.errors import InventoryError
try:
    for host in load(sys.argv[2:], rootdir=Path(sys.argv[1])).hosts:
        print(host.name, host.user, host.host_key_checking, *host.ssh_options)
except InventoryError as error:
    print(error)
"""


def in_a_process(*sources: str, cwd: Path = HERE, **environment: str) -> subprocess.CompletedProcess[str]:
    """Ansible reads its settings once a process."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(HERE), *sources],
        env=os.environ | environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


class TestSettings:
    def test_ansible_cfg_says_what_no_variable_says(self, tmp_path: Path) -> None:
        settings = "[defaults]\nremote_user = cfg\nhost_key_checking = False\n[ssh_connection]\nssh_args = -C -J hop\n"
        written(tmp_path, settings, "ansible.cfg")
        tmp_path.chmod(0o755)
        source = written(tmp_path, "all: {hosts: {a: {}, b: {ansible_user: own}}}")
        run = in_a_process(source, cwd=tmp_path)
        assert run.stdout == "a cfg off ('proxyjump', 'hop')\nb own off ('proxyjump', 'hop')\n"

    def test_a_world_writable_directory_s_settings_are_not_passed_over_in_silence(self, tmp_path: Path) -> None:
        written(tmp_path, "[defaults]\nremote_user = cfg\n", "ansible.cfg")
        tmp_path.chmod(0o777)
        run = in_a_process("fleet", cwd=tmp_path)
        assert run.stdout.startswith(f"ansible: Ansible is being run in a world writable directory ({tmp_path})")
        assert run.stderr == ""

    def test_settings_that_cannot_be_read_are_an_error(self, tmp_path: Path) -> None:
        run = in_a_process("fleet", ANSIBLE_CONFIG=written(tmp_path, "[defaults\n", "ansible.cfg"))
        assert "Error reading config file" in run.stdout
        assert run.stderr == ""

    def test_settings_are_refused_like_variables(self) -> None:
        run = in_a_process("web1,", ANSIBLE_SSH_ARGS="-A")
        assert run.stdout == (
            "Ansible's settings: ansible_ssh_args of web1: -A is not honoured, only -o and -J are; "
            "agents are never forwarded\n"
        )

    def test_the_option_is_for_hosts_that_do_not_say(self, tmp_path: Path) -> None:
        source = written(tmp_path, "all: {hosts: {a: {}, b: {ansible_connection: local}}}")
        assert [host.connection for host in read(source, connection="openssh").hosts] == ["openssh", "local"]
        with pytest.raises(InventoryError, match=r"^--connection of a: 'telnet' is no connection"):
            read(source, connection="telnet")


class TestQuiet:
    def test_harmless_warnings_are_notices(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        inventory = read(written(tmp_path, "us-east: {hosts: {a: {environment: prod}}}"))
        assert [notice.split(": ")[-1] for notice in inventory.notices] == [
            "the name of a group has characters that Ansible advises against, such as a dash; here they do no harm",
            "Found variable using reserved name 'environment'",
        ]
        assert inventory.matching("us-east") == ("a",)
        assert capfd.readouterr() == ("", "")

    def test_what_a_script_mumbles_is_a_notice(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        script = written(tmp_path, '#!/bin/sh\necho \'cache is stale\' >&2\necho \'{"g": {"hosts": ["a"]}}\'\n', "s")
        Path(script).chmod(0o700)
        assert "an inventory script says: cache is stale" in read(script).notices
        assert capfd.readouterr() == ("", "")

    def test_the_process_s_streams_stay_its_own(self) -> None:
        """Ansible patches the standard streams that it finds when it is imported."""
        program = (
            "import sys; from pathlib import Path; from shipworthy.inventory import load; out = sys.stdout, sys.stderr;"
            "before = [(s.errors, s.write) for s in out];"
            f"load(['fleet'], rootdir=Path({str(HERE)!r}));"
            "assert (sys.stdout, sys.stderr) == out; assert [(s.errors, s.write) for s in out] == before"
        )
        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


class TestSpeed:
    def test_ansible_is_not_imported_before_it_is_needed(self) -> None:
        program = "import sys, shipworthy.inventory; assert not any(m.split('.')[0] == 'ansible' for m in sys.modules)"
        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)

    def test_a_thousand_hosts_cost_no_more_each_than_a_hundred(self, tmp_path: Path) -> None:
        def seconds_for(count: int) -> float:
            source = written(
                tmp_path,
                "web:\n  vars: {domain: example.org, ansible_user: '{{ who }}', who: me}\n  hosts:\n"
                f"    web[1:{count}]: {{ansible_host: '{{{{ inventory_hostname }}}}.{{{{ domain }}}}'}}\n",
                f"{count}.yml",
            )
            started = time.process_time()
            assert len(read(source).hosts) == count
            return time.process_time() - started

        seconds_for(1)  # imports
        hundred, thousand = seconds_for(100), seconds_for(1000)
        assert thousand < 3.0
        assert thousand < 20 * hundred
