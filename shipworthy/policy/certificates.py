"""Certificates: where they are met, where they are stored, and what is bounded of them.

Facts: RFC 5280, 6960, 6962, 8659; CA/B Forum baseline requirements and SC-081v3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from shipworthy.policy._certificates_items import Certificate, CertificateFile
from shipworthy.policy._certificates_values import ReadPath
from shipworthy.policy._dns_items import refuse
from shipworthy.policy.language.form import WHOLE_ERROR
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import Items, Keyed, SubjectPolicy, limit, setting
from shipworthy.policy.language.units import PERCENT, SECONDS
from shipworthy.probes.parts.globs import MOST, is_glob

if TYPE_CHECKING:
    from shipworthy.probes.certificates import Question, Request
    from shipworthy.vantage.meeting import Wanted

OF_FILES = frozenset({"files", "keys", "client", "reloaded"})
"""The claims for which hosts' files are read; the others are made of what is served."""
_LEAST, _MOST = 0.1, 10.0
"""Seconds of a handshake: all of them have 20 s."""


class Policy(SubjectPolicy):
    """Certificates that clients meet, everywhere they are served, and those on disk."""

    endpoints: Items[Certificate] = Field({}, description="Where certificates are served, by a name of yours: `www`.")
    files: Keyed[ReadPath, CertificateFile] = Field(
        {},
        description=f"Certificates on disk, by path or glob. Of a glob, the first {MOST} files are read; of a host's "
        "files, no more than 768 KiB of certificates are kept, in base64. What is left out is told, as not measured.",
    )
    wait: float = setting(SECONDS, "5 s", says="How long a server has for a handshake.", source="judgement")
    authority_left: Limit = limit(
        SECONDS,
        warn_below="180 d",
        fail_below="60 d",
        check="left",
        words="left",
        says="How long the intermediates of a chain must last.",
        source="judgement: to replace an authority is a project",
    )
    staple_left: Limit = limit(
        PERCENT,
        warn_below="20 %",
        check="revocation",
        words="of its window left",
        says="What must be left of the time for which a stapled OCSP response, or a CRL, holds.",
        source="judgement: servers renew them when half is gone",
    )

    DIRECT: ClassVar[str] = "endpoints"
    DIRECT_KEYS: ClassVar[str] = "^(?!(endpoints|files|wait|authority_left|staple_left)$)"

    @classmethod
    def item_name(cls, key: str) -> str:
        """Anything that can be told."""
        if not key.strip() or len(key) > 100 or not key.isprintable():
            raise ValueError("is no name to be told by: it is empty, too long, or has characters that nobody sees")
        return key

    @field_validator("wait")
    @classmethod
    def _is_bounded(cls, value: float) -> float:
        if not _LEAST <= value <= _MOST:
            refuse(f"is not from {SECONDS.format(_LEAST)} to {SECONDS.format(_MOST)}")
        return value

    @field_validator("files")
    @classmethod
    def _are_files(cls, files: dict[str, CertificateFile], field: ValidationInfo) -> dict[str, CertificateFile]:
        wrong: list[InitErrorDetails] = []
        for path, file in files.items():
            for key, reason in _misfits(path, file, field.data.get("endpoints")):
                misfit = PydanticCustomError(WHOLE_ERROR, "{reason}", {"reason": reason})
                wrong.append(InitErrorDetails(type=misfit, loc=(path, key), input=getattr(file, key)))
        if wrong:
            raise ValidationError.from_exception_data("files", wrong)
        return files

    def request(self, checks: frozenset[str]) -> Request | None:
        """What a host is asked: the files, and CAA of what it meets itself."""
        claims = _claims(checks)
        read = {
            path: file.key or ""
            for path, file in self.files.items()
            if any(file.applies(claim) for claim in claims & OF_FILES)
        }
        questions = self._questions("host", claims)
        return _request(read, questions) if read or questions else None

    def here_request(self, checks: frozenset[str]) -> Request | None:
        """What this machine is asked: CAA of what is met from here."""
        questions = self._questions("here", _claims(checks))
        return _request({}, questions) if questions else None

    def wanted(self, vantage: str, checks: frozenset[str], estate: Sequence[str]) -> Wanted | None:
        """What is to be met from `here`, or from the `host`; `estate` says the families where an item does not."""
        claims = _claims(checks)
        of_files = {file.served_by for file in self.files.values()} if "reloaded" in claims else set()
        items = [
            item
            for name, item in self.endpoints.items()
            if item.vantage == vantage and (name in of_files or any(map(item.applies, claims - OF_FILES)))
        ]
        if not items:
            return None
        from shipworthy.vantage.meeting import Wanted  # only for what is asked: an engineer waits

        return Wanted(
            endpoints=list(dict.fromkeys(endpoint for item in items for endpoint in item.endpoints())),
            families=list(dict.fromkeys(family for item in items for family in item.expected(estate))),
            wait=self.wait,
            stores=list(dict.fromkeys(item.store for item in items)),
            revocation="revocation" in claims and any(item.applies("revocation") for item in items),
        )

    def _questions(self, vantage: str, claims: frozenset[str]) -> list[Question]:
        if "caa" not in claims:
            return []
        items = (item for item in self.endpoints.values() if item.vantage == vantage and item.applies("caa"))
        names = dict.fromkeys(name for item in items for name in climbed(item.caa_name))
        return [_question(name) for name in names]


def climbed(name: str) -> Iterator[str]:
    """A name and its parents below the root: where CAA records are looked for, one after the other (RFC 8659)."""
    while name:
        yield name
        name = name.partition(".")[2]


def _claims(checks: frozenset[str]) -> frozenset[str]:
    return frozenset(check.partition(".")[2] for check in checks if check.startswith("certificates."))


def _request(files: dict[str, str], questions: list[Question]) -> Request:
    from shipworthy.probes.certificates import Request

    return Request(files=files, questions=questions)


@lru_cache(maxsize=20_000)
def _question(name: str) -> Question:
    """The same for every host of a fleet."""
    from shipworthy import dns_messages
    from shipworthy.probes.certificates import Question

    return Question(name, "CAA", dns_messages.query(name, "CAA").hex(), None)


def _misfits(path: str, file: CertificateFile, endpoints: dict[str, Certificate] | None) -> Iterable[tuple[str, str]]:
    """Keys of a file that do not go with its path, or with what else is said: each with the reason."""
    if is_glob(path) and file.key is not None:
        yield "key", "cannot belong to all that a glob finds"
    if is_glob(path) and file.served_by is not None:
        yield "served_by", "cannot serve all that a glob finds"
    if file.served_by is not None and endpoints is not None and file.served_by not in endpoints:
        yield "served_by", "is no certificate of this policy that is served; `certificates:` has none of that name"
