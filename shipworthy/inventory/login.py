"""A host's variables → how to log in: Ansible's names for it, each honoured or refused in words.

Pure: the variables are a mapping that templates when asked. Where a thing has several names, the last one that is set
wins, as in Ansible's own connection plugins. What no variable says, a setting of `ansible.cfg` may.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shipworthy.inventory import names, ssh_options
from shipworthy.inventory.model import Become, Connection, Host, HostKeyChecking, Secret, UnrenderedError

LONGEST_TIMEOUT = 86_400.0


@dataclass(frozen=True)
class Misfit:
    """A variable that is not understood or cannot be honoured."""

    variable: str
    reason: str


@dataclass
class Login:
    """Reads one host's variables, and keeps whatever does not fit instead of ending at the first."""

    variables: Mapping[str, object]
    settings: Mapping[str, object] = field(default_factory=dict)
    """Ansible's own settings, by the first of the variables that they are the default of."""
    misfits: list[Misfit] = field(default_factory=list)

    def value(self, aliases: Sequence[str]) -> tuple[str, object]:
        """The variable that is set, the last of `aliases`, and its value; an empty one is not set."""
        for name in reversed(aliases):
            if name in self.variables:
                try:
                    value = self.variables[name]
                except UnrenderedError as error:
                    self.refuse(name, error.why)
                    return name, None
                if value is not None and value != "":
                    return name, value
        return aliases[0], self.settings.get(aliases[0])

    def refuse(self, variable: str, reason: str) -> None:
        if (misfit := Misfit(variable, reason)) not in self.misfits:
            self.misfits.append(misfit)

    def text(self, aliases: Sequence[str]) -> str | None:
        name, value = self.value(aliases)
        if value is None:
            return None
        # INI values and unquoted YAML ones come as numbers; what a float or a truth was written as is lost.
        if isinstance(value, str) or type(value) is int:
            return str(value)
        self.refuse(name, f"must be a text, and is {_kind(value)}: put it in quotes")
        return None

    def secret(self, aliases: Sequence[str]) -> Secret | None:
        text = self.text(aliases)
        return None if text is None else Secret(text)

    def truth(self, aliases: Sequence[str]) -> bool:
        name, value = self.value(aliases)
        truth = _truth(value)
        if truth is None and value is not None:
            self.refuse(name, "must be true or false")
        return bool(truth)

    def port(self) -> int | None:
        name, value = self.value(names.PORT)
        if value is None:
            return None
        if isinstance(value, str) and value.isdecimal() and value.isascii():
            value = int(value[:6])
        if type(value) is int and 0 < value < 65_536:
            return value
        self.refuse(name, "is no port, which is 1 to 65535")
        return None

    def seconds(self) -> float | None:
        name, value = self.value(names.TIMEOUT)
        if value is None:
            return None
        try:
            seconds = math.nan if isinstance(value, bool) else float(str(value))
        except ValueError:
            seconds = math.nan
        if 0 < seconds <= LONGEST_TIMEOUT:
            return seconds
        self.refuse(name, "is no number of seconds, above 0 and at most a day")
        return None

    def path(self, aliases: Sequence[str]) -> str | None:
        text = self.text(aliases)
        # Absolute, because a worker's directory may be another one.
        return os.path.abspath(os.path.expanduser(text)) if text else None  # noqa: PTH100, PTH111

    def refuse_set(self, refused: Mapping[str, str]) -> None:
        for name, instead in refused.items():
            if self.value((name,))[1] is not None:
                self.refuse(name, f"is not honoured: {instead}")


def host_of(name: str, login: Login, *, groups: tuple[str, ...], default_connection: str | None) -> Host | None:
    """The host that these variables describe; what does not fit is in `login.misfits`, and then there is no host."""
    connection = _connection(login, default_connection)
    if connection in ("paramiko", "openssh"):
        host = _over_ssh(name, login, connection, groups)
    else:
        host = _on_this_machine(name, login, connection, groups)
    return None if login.misfits else host


def _over_ssh(name: str, login: Login, connection: Connection, groups: tuple[str, ...]) -> Host:
    login.refuse_set(names.REFUSED_OVER_SSH)
    checking, options = _host_key_checking(login, _options(login, connection))
    password, become = login.secret(names.PASSWORD), _become(login)
    if checking == "accept-new" and (password or (become and become.password)):
        login.refuse(
            _where_checking_is_said(login),
            "accept-new would send the password to whoever answers first: use keys, or known hosts",
        )
    timeout = login.seconds()
    return Host(
        name=name,
        address=_address(name, login),
        connection=connection,
        port=login.port(),
        user=login.text(names.USER),
        password=password,
        private_key_file=login.path(names.KEY_FILE),
        become=become,
        python=_python(login),
        ssh_options=options,
        host_key_checking=checking,
        connect_timeout=timeout,
        groups=groups,
    )


def _on_this_machine(name: str, login: Login, connection: Connection, groups: tuple[str, ...]) -> Host:
    pod: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    if connection != "local":
        login.refuse_set(names.REFUSED_IN_CONTAINERS)
    if connection == "kubectl":
        pod = ("ansible_kubectl_pod",)
        options = tuple((option, text) for option, aliases in names.KUBECTL.items() if (text := login.text(aliases)))
    return Host(
        name=name,
        address=_address(name, login, *pod),
        connection=connection,
        user=login.text(names.USER) if connection in ("docker", "podman") else None,
        become=_become(login),
        python=_python(login),
        container_options=options,
        groups=groups,
    )


def _connection(login: Login, default: str | None) -> Connection:
    variable, value = login.value(("ansible_connection",))
    if "ansible_connection" not in login.variables and default is not None:
        variable, value = "--connection", default
    if value is None:
        return "paramiko"
    if isinstance(value, str) and value in names.CONNECTIONS:
        return names.CONNECTIONS[value]
    known = ", ".join(name for name in names.CONNECTIONS if "." not in name)
    login.refuse(variable, f"{value!r} is no connection that is honoured; these are: {known}")
    return "paramiko"


def _address(name: str, login: Login, *more: str) -> str:
    aliases = (*names.ADDRESS, *more)
    address = login.text(aliases)
    # Anywhere else empty is unset, as for Ansible; an empty address was meant to be something else.
    if (
        address is None
        and not login.misfits
        and (empty := next((each for each in aliases if each in login.variables), None))
    ):
        login.refuse(empty, "is empty")
    return address or name


def _become(login: Login) -> Become | None:
    if not login.truth(("ansible_become",)):
        return None
    login.refuse_set(names.REFUSED_WITH_BECOME)
    method = login.text(("ansible_become_method",)) or "sudo"
    if method not in ("sudo", "ansible.builtin.sudo"):
        login.refuse("ansible_become_method", f"{method!r} is not honoured, only sudo is")
    return Become(user=login.text(names.BECOME_USER) or "root", password=login.secret(names.BECOME_PASSWORD))


def _python(login: Login) -> str | None:
    text = login.text(("ansible_python_interpreter",))
    if text is None or text.startswith("auto"):
        return None
    text = text.removeprefix("/usr/bin/env ").strip()
    if not text.isprintable() or " " in text or text.startswith("-"):
        login.refuse("ansible_python_interpreter", "must be one path or command, without arguments")
    return text


def _options(login: Login, connection: Connection) -> tuple[tuple[str, str], ...]:
    options: dict[str, tuple[str, str]] = {}
    for name in names.ARGUMENTS:
        try:
            parsed = ssh_options.parse(login.text((name,)) or "", openssh=connection == "openssh")
        except ssh_options.Refused as refused:
            login.refuse(name, str(refused))
            continue
        for keyword, value in parsed:
            # ssh collects identity files, and takes the first of everything else
            key = f"{keyword} {value}" if keyword in ssh_options.COLLECTED else keyword
            options.setdefault(key, (keyword, value))
    proxy_command = login.text(("ansible_paramiko_proxy_command",)) if connection == "paramiko" else None
    if proxy_command:
        options.setdefault("proxycommand", ("proxycommand", proxy_command))
    return tuple(options.values())


def _host_key_checking(
    login: Login, options: tuple[tuple[str, str], ...]
) -> tuple[HostKeyChecking | None, tuple[tuple[str, str], ...]]:
    """Said in two ways, kept in one: a `StrictHostKeyChecking` option is the variable's, when that is not set."""
    variable, value = login.value(names.KEY_CHECKING)
    if value is None and "stricthostkeychecking" in dict(options):
        variable, value = "StrictHostKeyChecking", dict(options)["stricthostkeychecking"]
    rest = tuple(option for option in options if option[0] != "stricthostkeychecking")
    if value is None:
        return None, rest
    if isinstance(value, str) and value.lower() in ("accept-new", "ask"):
        return ("accept-new" if value.lower() == "accept-new" else "yes"), rest
    truth = _truth(value)
    if truth is None:
        login.refuse(variable, "must be true, false or accept-new")
        return None, rest
    return ("yes" if truth else "off"), rest


def _where_checking_is_said(login: Login) -> str:
    """The variable that decides whether host keys are checked."""
    variable, value = login.value(names.KEY_CHECKING)
    said = (name for name in names.ARGUMENTS if "stricthostkeychecking" in str(login.value((name,))[1]).lower())
    return variable if value is not None else next(said, variable)


def _truth(value: object) -> bool | None:
    """Ansible's spellings of true and false."""
    if isinstance(value, bool):
        return value
    word = str(value).lower() if isinstance(value, str | int) else ""
    if word in ("true", "yes", "on", "1", "y", "t"):
        return True
    return False if word in ("false", "no", "off", "0", "n", "f") else None


def _kind(value: object) -> str:
    return {bool: "a truth value", float: "a fraction", list: "a list", dict: "a mapping"}.get(
        type(value), "something else"
    )
