"""Stars for what must not be shown, wherever it has crept in.

In: an inventory. Out: a `Redaction`, which takes every text, and all that is made of texts, before it is written.
The last line of defence, not the first: no message here is made of a secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TypeVar
from urllib.parse import quote

from shipworthy.inventory.model import Inventory

STARS = "********"
MIN_PASSWORD = 4
MIN_VAULTED = 6
"""Shorter ones (a word, a port) would only mutilate what is said; and a vault holds more than secrets."""

Data = TypeVar("Data")


class Redaction:
    """Knows some secrets, and replaces them."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        written = {form for secret in secrets for form in _forms(secret) if len(form.strip()) >= MIN_PASSWORD}
        self._forms = sorted(written, key=len, reverse=True)

    @classmethod
    def of(cls, inventory: Inventory) -> Redaction:
        """Every password of the selected hosts, and what was opened of the vault until now."""
        passwords = {host.password for host in inventory.hosts}
        passwords |= {host.become.password for host in inventory.hosts if host.become}
        known = {text for secret in passwords if secret and len(text := secret.reveal()) >= MIN_PASSWORD}
        known |= {text for text in inventory.vaulted if len(text) >= MIN_VAULTED}
        return cls(known)

    def __call__(self, text: str) -> str:
        """`text` with stars."""
        for form in self._forms if text else ():
            if form in text:
                text = text.replace(form, STARS)
        return text

    def finds(self, text: str) -> bool:
        """Whether there is a secret in `text`."""
        return any(form in text for form in self._forms)

    def data(self, data: Data) -> Data:
        """The same of all texts in mappings, lists and tuples; keys that are plain words are the format's and stay."""
        if not self._forms:
            return data
        if isinstance(data, str):
            return self(data)  # type: ignore[return-value]
        if isinstance(data, Mapping):
            return {self._key(key): self.data(value) for key, value in data.items()}  # type: ignore[return-value]
        if isinstance(data, list | tuple):
            return type(data)(map(self.data, data))
        return data

    def _key(self, key: object) -> object:
        return key if not isinstance(key, str) or key.isidentifier() else self(key)


def _forms(secret: str) -> Iterable[str]:
    """As it is, and as Python, JSON and URLs write it."""
    yield secret
    yield secret.strip()
    yield repr(secret)[1:-1]
    yield repr(secret.encode("utf-8", "replace"))[2:-1]
    yield json.dumps(secret)[1:-1]
    yield quote(secret, errors="replace")
    yield quote(secret, safe="", errors="replace")
