"""What Ansible knows of the sources: hosts, groups, variables, patterns. Its classes are seen here and nowhere else.

Each method listens to what Ansible says (`hearing`), so that it neither prints nor passes over anything.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shipworthy.errors import InventoryError, Problem
from shipworthy.inventory.hearing import Heard, hearing
from shipworthy.inventory.machinery import data_loader, inventory_manager, open_plugins, open_vault, template_engine
from shipworthy.inventory.model import Host, Matches, UnrenderedError
from shipworthy.inventory.wording import explain, place_of, reason, shown

_NOT_DATA = frozenset({"hostvars", "omit"})
"""Magic variables that are Ansible's own objects."""


class Fleet:
    """All hosts of some inventory sources, whatever `--limit` says."""

    def __init__(self, sources: Sequence[str], rootdir: Path, vault_password_files: Sequence[str] = ()) -> None:
        """Raises `InventoryError` for sources that Ansible cannot read, or would only warn about."""
        self.rootdir = rootdir
        with hearing(rootdir) as heard:
            self._read(sources, vault_password_files)
        if problems := heard.problems():
            where = ", ".join(shown(source, rootdir) for source in sources)
            raise InventoryError.of(Problem(problem.place or where, problem.reason) for problem in problems)
        self.notices = heard.notices()

    def _read(self, sources: Sequence[str], vault_password_files: Sequence[str]) -> None:
        from ansible.vars.hostvars import HostVars
        from ansible.vars.manager import VariableManager

        open_plugins()
        self._loader = data_loader()
        self._loader.set_basedir(str(self.rootdir))
        open_vault(self._loader, vault_password_files)
        self._manager = inventory_manager(self._loader, sources)
        self._variables = VariableManager(loader=self._loader, inventory=self._manager)
        self._variables.safe_basedir = False  # no playbook, hence none of the variables beside one
        HostVars(self._manager, self._variables, self._loader)  # registers itself, for `hostvars[…]`
        self._templates = template_engine(self._loader)

    def add(self, host: Host) -> None:
        """Make a host known that no source told of."""
        with hearing(self.rootdir):
            self._manager.add_host(host.name, "all")
            for group in host.groups:
                self._manager.add_group(group)
                self._manager.add_host(host.name, group)

    def names(self) -> tuple[str, ...]:
        return tuple(str(name) for name in self._manager.hosts)

    def groups_of(self, name: str) -> tuple[str, ...]:
        return tuple(sorted(str(group.name) for group in self._manager.hosts[name].get_groups()))

    def variables_of(self, name: str) -> Variables:
        """Raises `InventoryError` for variable files that Ansible cannot read."""
        with hearing(self.rootdir):
            raw = self._variables.get_vars(host=self._manager.hosts[name])
        return Variables(name, self, raw)

    def find(self, pattern: str) -> Matches:
        """Evaluate a pattern over all hosts; raises `InventoryError` for what is none."""
        return self._find([pattern])

    def limit(self, pattern: str) -> Matches:
        """As `find`, with what `--limit` takes beyond a pattern: `@FILE`."""
        with hearing(self.rootdir):
            self._manager.subset(pattern)
        parts = [part for part in self._manager._subset or () if part]
        self._manager.subset(None)
        return self._find(parts)

    def _find(self, patterns: list[str]) -> Matches:
        if patterns in (["all"], ["*"]):
            return Matches(self.names())
        # To Ansible no pattern at all is every host: an empty file, a pipeline's variable that is not set.
        if not any(pattern.strip(" ,:") for pattern in patterns):
            return Matches(())
        with hearing(self.rootdir) as heard:
            found = self._manager.get_hosts(patterns, ignore_limits=True, ignore_restrictions=True)
        among = frozenset(str(host.name) for host in found)
        # Ansible invents a localhost that no inventory has.
        implicit = tuple(sorted(among.difference(self._manager.hosts)))
        return Matches(
            hosts=tuple(name for name in self.names() if name in among),
            unmatched=(*_unmatched(heard), *implicit),
        )

    def template(self, value: object, variables: Mapping[str, Any]) -> object:
        """A value with its `{{ … }}` rendered, as plain data. Raises Ansible's errors."""
        self._templates.available_variables = variables
        return _plain(self._templates.template(value))


class Variables(Mapping[str, object]):
    """One host's variables, each templated when it is looked up; shows no value by itself."""

    def __init__(self, host: str, fleet: Fleet, raw: Mapping[str, Any]) -> None:
        self._host = host
        self._fleet = fleet
        self._raw = raw
        self._rendered: dict[str, object] = {}

    def __getitem__(self, name: str) -> object:
        if name not in self._rendered:
            if name not in self:
                raise KeyError(name)
            self._rendered[name] = self._render(name)
        return self._rendered[name]

    def __contains__(self, name: object) -> bool:
        return name in self._raw and name not in _NOT_DATA

    def __iter__(self) -> Iterator[str]:
        """The names of what can be rendered: to look at everything is not to ask for each."""
        return (str(name) for name in self._raw if name in self and self._renders(name))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<variables of {self._host!r}>"

    def place(self, name: str) -> str:
        """Where a variable is written: `inventories/staging.yml:7`."""
        return place_of(self._raw.get(name), self._fleet.rootdir)

    def _renders(self, name: str) -> bool:
        try:
            self[name]
        except InventoryError:
            return False
        return True

    def _render(self, name: str) -> object:
        from ansible.errors import AnsibleError

        value = self._raw[name]
        if type(value) in (str, int, bool, float, type(None)):
            return value
        with hearing(self._fleet.rootdir) as heard:
            try:
                rendered = self._fleet.template(value, self._raw)
            except AnsibleError as error:
                why = _why(error, self._fleet.rootdir)
            except (TypeError, ValueError, RecursionError):
                why = "is no plain data"
            else:
                why = ""
        if why or heard.problems():
            raise UnrenderedError(self.place(name), name, self._host, why or heard.problems()[0].reason)
        return rendered


def _unmatched(heard: Heard) -> Iterator[str]:
    start = "Could not match supplied host pattern, ignoring: "
    return (message.removeprefix(start) for message in heard.messages() if message.startswith(start))


def _why(error: Exception, rootdir: Path) -> str:
    """Why templating failed. Only what names variables, syntax and the vault: other words may quote values."""
    from ansible._internal._templating._jinja_common import UndecryptableVaultError
    from ansible.errors import AnsibleTemplateSyntaxError, AnsibleUndefinedVariable

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AnsibleUndefinedVariable):
            return explain(cause, rootdir).reason
        if isinstance(cause, UndecryptableVaultError):
            return reason([str(cause)], "", rootdir)
        if isinstance(cause, AnsibleTemplateSyntaxError):
            return "is no template"
        if isinstance(cause, RecursionError):
            return "is made of itself"
        cause = cause.__cause__
    return f"cannot be templated ({type(error.__cause__ or error).__name__})"


def _plain(value: object) -> object:
    """Ansible's tagged types → the types that they stand for; anything that is no data raises TypeError."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [_plain(item) for item in value]
    raise TypeError(type(value).__name__)
