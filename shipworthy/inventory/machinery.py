"""Ansible's machinery, with the few screws turned that a suite needs turned. Its classes: here and in `fleet`."""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from shipworthy.errors import InventoryError

SETTINGS = {
    "DEFAULT_TRANSPORT": "ansible_connection",
    "DEFAULT_REMOTE_USER": "ansible_user",
    "DEFAULT_REMOTE_PORT": "ansible_port",
    "DEFAULT_PRIVATE_KEY_FILE": "ansible_private_key_file",
    "DEFAULT_TIMEOUT": "ansible_timeout",
    "HOST_KEY_CHECKING": "ansible_host_key_checking",
    "DEFAULT_BECOME": "ansible_become",
    "DEFAULT_BECOME_USER": "ansible_become_user",
    "DEFAULT_BECOME_METHOD": "ansible_become_method",
    "INTERPRETER_PYTHON": "ansible_python_interpreter",
}
"""Ansible's settings, and the variables that they are the defaults of."""

SSH_SETTINGS = ("ssh_args", "ssh_common_args", "ssh_extra_args")
"""Settings of the section `ssh_connection`, or ANSIBLE_SSH_…; the variables of that name come before them."""

_MODULES = re.compile(rb"^  (?:modules|module_utils):\n(?:    .*\n|\n)*", re.MULTILINE)
"""The sections on modules, in the file in which Ansible says where things went."""


def settings() -> dict[str, object]:
    """What `ansible.cfg` and ANSIBLE_… say of logins, by the variable that each is the default of."""
    from ansible import constants

    said: dict[str, object] = {}
    for setting, variable in SETTINGS.items():
        value, origin = constants.config.get_config_value_and_origin(setting)
        if origin != "default" and value is not None:
            said[variable] = str(value) if isinstance(value, str) else value
    file = configparser.RawConfigParser(inline_comment_prefixes=(";",), strict=False)
    if constants.CONFIG_FILE:
        file.read(constants.CONFIG_FILE, encoding="utf-8")
    for setting in SSH_SETTINGS:
        value = os.environ.get(f"ANSIBLE_{setting.upper()}") or file.get("ssh_connection", setting, fallback=None)
        if value:
            said[f"ansible_{setting}"] = value
    return said


OPENED: set[str] = set()
"""What was opened of the vault in this process: so that it can be kept out of whatever is shown."""


def data_loader() -> Any:
    """Ansible's reader of files, which notes the texts of those that are in the vault as a whole."""
    from ansible.parsing.dataloader import DataLoader

    class Loader(DataLoader):  # type: ignore[misc]  # ansible has no types
        _in_vault = False

        def load_from_file(self, *arguments: Any, **named: Any) -> Any:
            self._in_vault = False
            data = super().load_from_file(*arguments, **named)
            if self._in_vault:
                OPENED.update(_texts(data))
            return data

        def _decrypt_if_vault_data(self, data: bytes) -> tuple[bytes, bool]:
            opened, shown = super()._decrypt_if_vault_data(data)
            self._in_vault = self._in_vault or not shown
            return opened, shown

    return Loader()


def _note_opened_values() -> None:
    """Have each value that is in the vault by itself noted when it is opened."""
    from ansible.parsing.vault import EncryptedString

    opens = EncryptedString._decrypt
    if getattr(opens, "notes", False):
        return

    def opens_and_notes(value: Any) -> str:
        text = str.__str__(opens(value))
        OPENED.add(text)
        return text

    opens_and_notes.notes = True  # type: ignore[attr-defined]
    EncryptedString._decrypt = opens_and_notes


def _texts(data: Any) -> Iterator[str]:
    """Every text in what a file held, but not its keys."""
    if isinstance(data, str):
        yield str.__str__(data)
    elif isinstance(data, Mapping):
        for value in data.values():
            yield from _texts(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from _texts(value)


def open_plugins() -> None:
    """Ansible's loader of plugins, once a process.

    It reads where everything went that once was Ansible's own, nine tenths of it modules, which nobody asks for here:
    40 ms that an engineer would wait for. Its reader is made to be replaced (see its docstring).
    """
    from ansible.plugins.loader import init_plugin_loader
    from ansible.utils.collection_loader import AnsibleCollectionConfig, _collection_finder

    if AnsibleCollectionConfig.collection_finder:
        return
    read = _collection_finder._meta_yml_to_dict

    def read_without_modules(text: bytes, content: tuple[str, str]) -> Any:
        return read(_MODULES.sub(b"", text) if content[0] == "ansible.builtin" else text, content)

    _collection_finder._meta_yml_to_dict = read_without_modules
    init_plugin_loader()


def inventory_manager(loader: Any, sources: Sequence[str]) -> Any:
    """Ansible's reader of sources; reads them at once."""
    from ansible.inventory.manager import InventoryManager

    class Manager(InventoryManager):  # type: ignore[misc]  # ansible has no types
        def _fetch_inventory_plugins(self) -> list[Any]:
            plugins: list[Any] = super()._fetch_inventory_plugins()
            for plugin in plugins:
                if plugin._load_name.endswith("ini"):
                    plugin._raise_error = _RaisesWithLine(plugin)
            if not _is_script(self._inventory.current_source):
                return plugins
            # When a script fails, Ansible goes on to read its text as INI, which comments and single words are.
            return [plugin for plugin in plugins if plugin._load_name.endswith("script")] or plugins

    return Manager(loader=loader, sources=list(sources), parse=bool(sources))


class _RaisesWithLine:
    """The INI plugin forgets the line that it could not read before it tells of it."""

    def __init__(self, plugin: Any) -> None:
        self._plugin = plugin

    def __call__(self, message: str) -> NoReturn:
        from ansible.errors import AnsibleError

        raise AnsibleError(message, obj=self._plugin._origin)


def template_engine(loader: Any) -> Any:
    """Ansible's own engine, which compiles a template for each host anew: here once for all, three times faster."""
    from ansible._internal._templating._engine import TemplateEngine

    compiled: dict[tuple[str, object], object] = {}

    class Engine(TemplateEngine):  # type: ignore[misc]  # ansible has no types
        def _compile_template(self, template: str, options: Any) -> Any:
            key = (str.__str__(template), options)
            if key not in compiled:
                compiled[key] = super()._compile_template(template, options)
            return compiled[key]

    return Engine(loader=loader)


def open_vault(loader: Any, password_files: Sequence[str]) -> None:
    """Give Ansible the vault's passwords, from its own settings and from `password_files`."""
    _note_opened_values()
    from ansible import constants
    from ansible.parsing.vault import VaultSecretsContext, get_file_vault_secret

    identities = [*constants.DEFAULT_VAULT_IDENTITY_LIST, *password_files]
    if constants.DEFAULT_VAULT_PASSWORD_FILE:
        identities.append(constants.DEFAULT_VAULT_PASSWORD_FILE)
    secrets: list[tuple[str, Any]] = []
    for identity in map(str, identities):
        label, _, source = identity.rpartition("@")
        if source in ("prompt", "prompt_ask_vault_pass"):
            raise InventoryError.at(f"vault {identity}", "no password is asked for here: give a file, or a script")
        secret = get_file_vault_secret(filename=source, vault_id=label or None, loader=loader)
        secret.load()
        secrets.append((label or constants.DEFAULT_VAULT_IDENTITY, secret))
        loader.set_vault_secrets(secrets)  # a password file may itself be in the vault that the ones before it open
    loader.set_vault_secrets(secrets)
    if context := VaultSecretsContext.current(optional=True):
        context.secrets = secrets  # Ansible's is one for the process, and refuses to be made twice
    else:
        VaultSecretsContext.initialize(VaultSecretsContext(secrets))


def _is_script(source: str | None) -> bool:
    if not source or not os.access(source, os.X_OK) or not Path(source).is_file():
        return False
    with Path(source).open("rb") as file:
        return file.read(2) == b"#!"
