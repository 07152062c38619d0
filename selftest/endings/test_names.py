"""Names and texts that mean harm are inert wherever they are shown: terminal, browser, XML, JSON, file names.

They come from an inventory script, from a policy, from a host's processes and its login noise, and from what a user's
own test quotes of all that.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from lab import Lab, lab
from lab.faults import login, memory
from selftest.endings.terminal import OnTerminal, on_terminal
from selftest.report.browser import see, without_policy
from selftest.scenarios.suite import ROOT, Run, suite
from shipworthy.results import Result, from_line

SCRIPT = "<script>document.title='owned'</script>"
HOSTS = [
    SCRIPT,
    "<img src=x onerror=\"document.title='owned'\">",
    "::error::pwned",
    "##[error]pwned",
    "##vso[task.complete result=Succeeded]",
    "esc\x1b[2J\x1b]0;owned\x07",
    "new\nline",
    "car\rriage",
    "bidi\u202egnp",
    "quotes'\"&amp;`$(id)",
    "../../../etc/passwd",
    "]]>",
    "café",
    "x" * 300,
]
SHUT = HOSTS[:3]
"""Of these the port is closed: their names are in failures too."""
POLICY = r"""
plays:
- hosts: all
  off:
    memory.pressure: "\e[31m ::error::off <script>document.title='owned'</script> \u202e"
waivers:
- check: memory.available
  hosts: all
  until: 2126-01-31
  owner: "<script>document.title='owned'</script>\e[2J"
  approved_by: "::error::approved\u202e"
  ticket: "##[error]ticket\r"
"""
TESTS = r"""
import pytest

def test_quotes(host):
    text = host.file("/etc/motd").content_string
    print(text)
    raise ValueError(text)

def test_compares(host):
    assert host.file("/etc/motd").content_string == "welcome"

def test_skips(host):
    pytest.skip(host.file("/etc/motd").content_string)
"""
MOTD = f"\x1b[2J\x1b[31mred\r\n::error::motd\n##[error]motd\n\u202e{SCRIPT}\x9b31m\x00\n"
COMM = b"<b>\x1b[31m::e\n\xff\xfe"
HUNGRY = f"""
import ctypes, time
ctypes.CDLL(None).prctl(15, {COMM!r}, 0, 0, 0)
held = bytearray(200 << 20)
held[::4096] = b"x" * len(held[::4096])
time.sleep(1000)
"""
ARGUMENTS = {
    "plain": (),
    "long": ("-vv", "--tb=long", "-l", "-rA"),
    "listed": ("--collect-only",),
}


class Story(NamedTuple):
    runs: dict[str, Run]
    watched: OnTerminal

    @property
    def run(self) -> Run:
        return self.runs["plain"]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with lab(names=["evil"]) as fleet, _talking(fleet):
        folder = tmp_path_factory.mktemp("names")
        inventory = _inventory(fleet, folder)
        runs = {name: _run(fleet, folder, inventory, *given) for name, given in ARGUMENTS.items()}
        yield Story(runs, on_terminal(fleet, f"--inventory={inventory}", "--limit=!evil", "-rA", cwd=folder))


@contextmanager
def _talking(fleet: Lab) -> Iterator[None]:
    """The host says evil things when one logs in, in its files, and by its processes' names; it is short of memory."""
    (evil,) = fleet
    evil.write("/etc/motd", MOTD)
    evil.write("/srv/hungry.py", HUNGRY)
    with (
        memory.low_memory(evil),
        evil.background(["python3", "/srv/hungry.py"]),
        login._shell(evil, 'cat /etc/motd; cat /etc/motd >&2; exec /bin/bash "$@"'),
    ):
        yield


def _inventory(fleet: Lab, folder: Path) -> Path:
    """Ansible's own formats refuse some of these names; a script may say anything."""
    (evil,) = fleet
    variables = {name: {**evil.inventory_vars(), **({"ansible_port": 9} if name in SHUT else {})} for name in HOSTS}
    told = {"_meta": {"hostvars": variables}, "all": {"hosts": HOSTS}, "<b>\x1b[31mgroup": {"hosts": HOSTS}}
    script = folder / "inventory.py"
    script.write_text(f"#!{sys.executable}\nprint({json.dumps(told)!r})\n")
    script.chmod(0o755)
    (folder / "tests").mkdir()
    (folder / "tests" / "test_own.py").write_text(TESTS)
    (folder / "pytest.ini").write_text(f"[pytest]\ntestpaths = tests {ROOT / 'tests'}\n")
    return script


def _run(fleet: Lab, folder: Path, inventory: Path, *arguments: str) -> Run:
    given = [f"--inventory={inventory}", "--limit=!evil", *arguments]
    return suite(fleet, *given, policy=POLICY, cwd=folder, environment={"PYTHONPATH": str(ROOT)})


def test_every_name_was_run(story: Story) -> None:
    assert {result.host for result in story.run.results if result.host} == set(HOSTS)
    assert story.run.status == 1, story.run
    assert story.runs["listed"].status == 0
    evidence = [line for result in story.run.results for line in result.evidence]
    assert any("<b>" in line for line in evidence), "no process was named"
    assert any("owner" in result.note or SCRIPT in result.note for result in story.run.results), "no waiver was told"


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_terminal_gets_printable_lines_only(story: Story, name: str) -> None:
    run = story.runs[name]
    assert run.stderr == ""
    assert {one for one in run.stdout if not one.isprintable()} == {"\n"}
    assert "INTERNALERROR" not in run.stdout


def test_a_terminal_gets_no_control_sequence_of_theirs(story: Story) -> None:
    """pytest's own colours, and the progress line's carriage returns: nothing else."""
    assert story.watched.status == 1
    text = re.sub(r"\x1b\[[0-9;]*m", "", story.watched.sent.decode())
    assert {one for one in text if not one.isprintable()} == {"\r", "\n"}
    assert not [line for line in story.watched.screen if line.strip().startswith("::") or "##[" in line]


@pytest.mark.parametrize("name", ARGUMENTS)
def test_no_line_is_a_command_to_a_ci_system(story: Story, name: str) -> None:
    lines = story.runs[name].stdout.splitlines()
    assert not [line for line in lines if line.strip().startswith("::")]
    assert not [line for line in lines if "##[" in line or "##vso[" in line]


def test_lines_stay_short_enough_to_read(story: Story) -> None:
    assert max(map(len, story.run.stdout.splitlines())) < 1200


def test_the_report_runs_no_script_of_theirs(story: Story) -> None:
    page = story.run.directory / "report.html"
    bare = without_policy(page)  # inert by escaping alone, and with its content-security policy besides
    for seen in (see(page), see(bare)):
        assert "owned" not in seen.title
        assert "document.title" in seen.dom
        assert not [line for line in seen.console if "owned" in line]
    bare.unlink()


def test_machines_can_read_it(story: Story) -> None:
    cases = ElementTree.parse(story.run.directory / "junit.xml").getroot().findall(".//testcase")
    assert len(cases) == len(story.run.results)
    told = [from_line(line) for line in (story.run.directory / "results.jsonl").read_bytes().splitlines()]
    assert all(isinstance(result, Result) for result in told)
    assert set(json.loads((story.run.directory / "run.json").read_text())["hosts"]) == set(HOSTS)
    for line in (story.run.directory / "run.log").read_text().splitlines():
        assert json.loads(line)["run"] == story.run.directory.name


def test_file_names_are_plain(story: Story) -> None:
    names = [path.name for path in (story.run.directory / "snapshots").iterdir()]
    assert len(names) == len(HOSTS)
    assert all(name.isascii() and name.isprintable() and len(name) < 120 for name in names)
    assert not [name for name in names if set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-_.~")]
    assert not list(story.run.directory.parent.parent.rglob("passwd*"))
