"""Certificates as this host has them: files on disk, who may read their keys, and what DNS says of who may issue.

In: paths and questions. Out: `Certificates`. Of a key, no more is looked at than its mode and its owner.
What cannot be seen is told in `unseen`, by field name.
"""

from typing import Dict, List, NamedTuple, Optional

from shipworthy.probes.parts.dns_answers import Question, Server
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine

__all__ = ["READING", "VERSION", "Certificates", "File", "Key", "Question", "Request", "Server", "probe"]

VERSION = 1
SIGNED = ("message",)  # no answer is −1


class Request(NamedTuple):
    """What is wanted."""

    files: Dict[str, str] = {}  # noqa: RUF012 -- never changed: a NamedTuple's default
    """By path or glob, the path of the key that belongs to it, empty where none is looked at."""
    questions: List[Question] = []  # noqa: RUF012
    """CAA: each name and its parents."""
    wait_seconds: float = 2.0
    budget: int = 500
    """Questions that may be put to servers, in all."""


class Key(NamedTuple):
    """A file with a private key, from outside."""

    path: str
    """Where it is in truth, links followed."""
    error: str
    """Why nothing is known of it."""
    mode: int
    """The permission bits alone: 0o640."""
    owner: str
    """By name; the number where it has none."""
    group: str


class File(NamedTuple):
    """A file with certificates."""

    path: str
    """As it was asked for, or as the glob found it."""
    error: str
    """`no such file`, `not permitted`, `no certificate in it`, `more than …`; empty where there are certificates."""
    certificates: List[str]
    """DER in base64, in the file's order."""
    holds_key: bool
    """A private key stands in the same file: then `key` is this file."""
    modified: float
    """Seconds since the epoch."""
    key: Optional[Key]


class Certificates(NamedTuple):
    """What a host has of certificates, and hears of CAA."""

    files: Dict[str, List[File]]
    """By what was asked for. A glob that finds nothing has an empty list."""
    servers: List[Server]
    messages: List[str]
    """Answers in base64, each distinct one once, their ids 0."""
    asked: int
    unseen: Dict[str, str]


READING = Certificates


def probe(machine: Machine, request: Request) -> Certificates:
    """Measure."""
    raise NotSeen("not written yet")
