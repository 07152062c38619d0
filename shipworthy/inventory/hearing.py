"""What Ansible says while it reads: it warns, and goes on without the hosts; here that is a problem.

Nothing is printed. Its structured warnings are caught where it lets tasks catch theirs; what it prints before that is
possible (while it is imported: a bad `ansible.cfg`) or past it (a script's standard error) is caught on the standard
streams of this process.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shipworthy.errors import InventoryError, Problem
from shipworthy.inventory.wording import explain, first_line, more_exact, place_in, reason, shown

_HARMLESS = (
    # Nothing is lost or misread by these: a name with a dash works in every pattern, and a reserved one only hides a
    # keyword of playbooks, of which there are none here.
    "Invalid characters were found in group names but not replaced",
    "Found variable using reserved name",
)

_SAID_BETTER = {
    "Invalid characters were found in group names but not replaced": "the name of a group has characters that Ansible "
    "advises against, such as a dash; here they do no harm",
}

_ECHOES = (
    # These only follow from others.
    "No inventory was parsed, only implicit localhost is available",
    "Deprecation warnings can be disabled",
)

_FAILED = re.compile(r"Failed to parse inventory with '(.*)' plugin\.")
_UNPARSED = re.compile(r"Unable to parse (.*) as an inventory source", re.DOTALL)
_PRINTED = re.compile(r"^\[(WARNING|DEPRECATION WARNING|ERROR)\]: ", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Remark:
    """One warning of Ansible's: its messages from the outermost to the cause, without the lines that it shows."""

    messages: list[str]
    place: str = ""
    help: str = ""

    def starts(self, *starts: str) -> bool:
        return self.messages[0].startswith(starts)


@dataclass
class Heard:
    """Everything that Ansible said; told apart by `problems` and `notices`."""

    rootdir: Path
    remarks: list[Remark] = field(default_factory=list)
    complained: list[str] = field(default_factory=list)
    """What was printed as an error, without anything having failed: an inventory script's standard error."""

    def problems(self) -> list[Problem]:
        """What must be mended, each source's failure told once, by the plugin that the file was meant for."""
        problems: list[Problem] = []
        failures: dict[str, Remark] = {}
        for remark in self.remarks:
            if match := _FAILED.fullmatch(remark.messages[0]):
                failures[match[1].rpartition(".")[2]] = remark
            elif match := _UNPARSED.fullmatch(remark.messages[0]):
                problems.append(self._unparsed(match[1], failures))
                failures = {}
            elif not remark.starts(*_HARMLESS, *_ECHOES):
                problems.append(self._problem(remark))
        return list(dict.fromkeys(problems))

    def notices(self) -> list[str]:
        """What a person should know, though nothing is wrong."""
        harmless = [self._notice(remark) for remark in self.remarks if remark.starts(*_HARMLESS)]
        return [*harmless, *(f"an inventory script says: {text}" for text in self.complained)]

    def _notice(self, remark: Remark) -> str:
        better = (text for start, text in _SAID_BETTER.items() if remark.starts(start))
        return next(better, None) or str(self._problem(remark))

    def messages(self) -> Iterator[str]:
        """Ansible's own words."""
        return (remark.messages[0] for remark in self.remarks)

    def _problem(self, remark: Remark) -> Problem:
        return Problem(remark.place, reason(remark.messages, remark.help, self.rootdir))

    def _unparsed(self, source: str, failures: dict[str, Remark]) -> Problem:
        place = shown(source, self.rootdir)
        meant = _meant(source, failures)
        if not os.access(source, os.R_OK):  # then no plugin takes it, and Ansible says no more than that
            return Problem(place, "Permission denied")
        if meant is None:
            return Problem(place, "no inventory plugin of Ansible's takes it")
        return Problem(meant.place or place, reason(meant.messages[1:], meant.help, self.rootdir))


_NOW: ContextVar[Heard | None] = ContextVar("hearing", default=None)


@contextlib.contextmanager
def hearing(rootdir: Path) -> Iterator[Heard]:
    """Run Ansible's code and keep what it says; its own errors become `InventoryError`.

    Within another `hearing` nothing is kept apart: the outer one hears it, and once is cheaper than a thousand times.
    """
    if _NOW.get() is not None:
        with _in_words(Heard(rootdir), lambda: None) as silent:
            yield silent
        return
    # A real stream of bytes: when it is imported, Ansible reconfigures and patches whatever standard streams it finds.
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace", write_through=True)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            _import_ansible()
        except Exception as error:  # noqa: BLE001  a bad ansible.cfg shows itself on import, by any exception
            raise InventoryError.at("ansible", first_line(str(error))) from None
        from ansible._internal._display_utils import DeferredWarningContext

        heard = Heard(rootdir)
        token = _NOW.set(heard)
        with DeferredWarningContext(variables={}) as context:
            try:
                with _in_words(heard, lambda: _listen(heard, context, printed)):
                    yield heard
            finally:
                _NOW.reset(token)


def _import_ansible() -> None:
    """Ansible reads its settings when it is imported, and prints what it thinks of them.

    It also makes a directory for its modules, in the home, which a service may not have; there are no modules here.
    """
    if "ansible.constants" in sys.modules or "ANSIBLE_LOCAL_TEMP" in os.environ:
        importlib.import_module("ansible.utils.display")
        return
    os.environ["ANSIBLE_LOCAL_TEMP"] = tempfile.gettempdir()
    try:
        importlib.import_module("ansible.utils.display")
    finally:
        del os.environ["ANSIBLE_LOCAL_TEMP"]


@contextlib.contextmanager
def _in_words(heard: Heard, listen: Callable[[], None]) -> Iterator[Heard]:
    """Fills `heard`, whatever happens; an error of Ansible's own becomes one of ours, after what was said before it."""
    from ansible.errors import AnsibleError

    try:
        yield heard
    except AnsibleError as error:
        listen()
        raise InventoryError.of([*heard.problems(), explain(error, heard.rootdir)]) from None
    listen()


def _listen(heard: Heard, context: Any, printed: io.TextIOWrapper) -> None:
    """Fill `heard` from where Ansible's words were caught."""
    printed.seek(0)
    kinds = _PRINTED.split(_COLOUR.sub("", printed.read()))
    said = list(zip(kinds[1::2], (first_line(text) for text in kinds[2::2]), strict=True))
    heard.remarks = [Remark([text], "ansible") for kind, text in said if kind == "WARNING"]
    heard.remarks += [_remark(warning.event, heard.rootdir) for warning in context.get_warnings()]
    heard.complained = [text for kind, text in said if kind == "ERROR"]


def _remark(event: Any, rootdir: Path) -> Remark:
    messages, place, help = [], "", ""
    while event is not None:
        messages.append(event.msg)
        place = more_exact(place, place_in(event.formatted_source_context or "", rootdir))
        help = help or event.help_text or ""
        event = event.chain.event if event.chain else None
    return Remark(messages, place, help)


def _meant(source: str, failures: dict[str, Remark]) -> Remark | None:
    """Every plugin that a file might be for has tried it, in turn: whose failure is the one to tell?"""
    if "script" in failures:
        return failures["script"]
    if Path(source).suffix not in (".yml", ".yaml", ".json"):
        order = ["ini", "toml", "yaml", "auto"]
    elif "yaml" in failures and any("Plugin configuration YAML file" in text for text in failures["yaml"].messages):
        order = ["auto", "yaml", "ini", "toml"]
    else:
        order = ["yaml", "auto", "ini", "toml"]
    return next((failures[name] for name in order if name in failures), next(iter(failures.values()), None))
