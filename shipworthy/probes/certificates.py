"""Certificates as this host has them: files on disk, who may read their keys, and what DNS says of who may issue.

In: paths and questions. Out: `Certificates`. Of a key, no more is looked at than its mode and its owner.
What cannot be seen is told in `unseen`, by field name.
"""

from typing import Dict, List, NamedTuple, Tuple

from shipworthy.probes.parts.certificate_files import File, Key, read_files
from shipworthy.probes.parts.dns_answers import Budget, Question, Server, as_question
from shipworthy.probes.parts.name_servers import ask
from shipworthy.probes.parts.resolv_conf import PATH, asked_servers, read_resolver
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.seen import Eyes

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
    eyes = Eyes(machine)
    files = read_files(machine, request.files)
    budget = Budget(request.budget)
    servers, messages = _asked(eyes, [as_question(each) for each in request.questions], request.wait_seconds, budget)
    return Certificates(files, servers, messages, budget.asked, eyes.unseen)


def _asked(eyes: Eyes, questions: List[Question], wait: float, budget: Budget) -> Tuple[List[Server], List[str]]:
    if not questions:
        return [], []
    if eyes.machine.recorded:
        eyes.unseen["servers"] = "a recorded tree has no network"
        return [], []
    resolver = eyes.see("servers", lambda: read_resolver(eyes.machine))
    usual = asked_servers(resolver)
    if resolver and not usual:
        eyes.unseen["servers"] = "no name server is configured in {}".format(PATH)
    asked = ask(questions, usual, wait, budget)
    return asked.servers, asked.messages
