"""What is wrong with certificates on a host's disk, and with who may read their keys.

In: a reading of the certificates probe, the path or glob of an item, what a policy says of it. Out: findings, a line
each; raises NotMeasured for what could not be looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose

from shipworthy.errors import NotMeasured
from shipworthy.judging import keys
from shipworthy.judging.chains import day, read, serial
from shipworthy.judging.shown import Fault, Shown, gathered
from shipworthy.judging.wording import first_of
from shipworthy.policy._certificates_items import CertificateFile
from shipworthy.probes.certificates import Certificates, File, Key
from shipworthy.vantage.chain import rules
from shipworthy.vantage.chain.certificate import Certificate

_UNSEEN = ("not permitted", "not seen", "not looked at", "not read", "not kept", "not asked", "more than ")
"""How errors begin that say nothing of the file itself."""


class Held(NamedTuple):
    """One certificate in a file."""

    path: str
    certificate: Certificate
    number: int

    @property
    def label(self) -> str:
        return f"{self.path}: {self.certificate.label}"


def files_of(reading: Certificates, name: str) -> list[File]:
    """The files that a path or glob stands for; raises NotMeasured where they were not looked for."""
    if name not in reading.files:
        raise NotMeasured(reading.unseen.get("files") or f"{name} was not asked for in this run")
    return reading.files[name]


def readable(reading: Certificates, name: str) -> list[File]:
    """The same; raises NotMeasured too where one is not there, or cannot be read."""
    files = files_of(reading, name)
    if broken := [*missing(files, name), *unseen(files), *unreadable(files)]:
        raise NotMeasured(f"{broken[0]}; see certificates.files")
    return files


def missing(files: Sequence[File], name: str) -> list[str]:
    """That there is no such file, or no certificate in it; that a glob finds keys by themselves too is no fault."""
    said = [file for file in files if file.path == name or not (file.holds_key and not file.certificates)]
    if not files:
        return [f"{name}: no file matches"]
    if not said:
        return [f"{name}: nothing that matches holds a certificate: {first_of([file.path for file in files])}"]
    return [f"{file.path}: {file.error}" for file in said if file.error and not file.error.startswith(_UNSEEN)]


def unseen(files: Iterable[File]) -> list[str]:
    """Files that could not be looked at."""
    return [f"{file.path}: {file.error}" for file in files if file.error.startswith(_UNSEEN)]


def held(files: Iterable[File]) -> list[Held]:
    """The certificates that can be read."""
    found = ((file.path, number, read(text)[0]) for file in files for number, text in enumerate(file.certificates))
    return [Held(path, certificate, number) for path, number, certificate in found if certificate]


def unreadable(files: Iterable[File]) -> list[str]:
    """Certificates that cannot be."""
    found = ((file.path, number, read(text)[1]) for file in files for number, text in enumerate(file.certificates, 1))
    return [f"{path}: certificate {number}: {problem}" for path, number, problem in found if problem]


def out_of_date(all: Iterable[Held], at: datetime) -> list[str]:
    """Every certificate that is not in date."""
    return [f"{each.path}: {finding.sentence}" for each in all for finding in rules.dates(each.certificate, at)]


def first_end(all: Iterable[Held]) -> datetime | None:
    """When the first of them expires."""
    return min((each.certificate.validity()[1] for each in all), default=None)


def leaves(all: Iterable[Held]) -> list[Held]:
    """Those that are no authority's."""
    return [each for each in all if not each.certificate.is_authority]


def authorities(all: Iterable[Held], said: CertificateFile) -> list[Held]:
    """Authorities below roots; where the file is an authority's, roots too."""
    own = said.purpose == "authority"
    return [each for each in all if each.certificate.is_authority and (own or not each.certificate.is_self_issued)]


def keys_of(files: Iterable[File], said: CertificateFile) -> list[tuple[File, Key | None]]:
    """The keys that are spoken of: that of each file with one in it, and that which a policy names."""
    return [(file, file.key) for file in files if file.holds_key or said.key is not None]


def exposed(keys: Iterable[tuple[File, Key | None]], said: CertificateFile) -> list[str]:
    """Keys that are not there, that others may read, or that another owns."""
    return [line for file, key in keys if key for line in _exposed(file, key, said)]


def _exposed(file: File, key: Key, said: CertificateFile) -> Iterator[str]:
    if key.error:
        if not key.error.startswith(_UNSEEN):
            yield f"{key.path or said.key or file.path}: {key.error}"
        return
    allowed = int(said.key_mode, 8)
    if key.mode & ~allowed:
        yield f"{key.path} has mode {key.mode:04o}, and may have {allowed:04o} at most"
    if key.owner != said.key_owner:
        yield f"{key.path} is owned by {key.owner}, not {said.key_owner}"


def unseen_keys(keys: Iterable[tuple[File, Key | None]], said: CertificateFile) -> list[str]:
    """Keys of which nothing is known."""
    found = []
    for file, key in keys:
        path = (key and key.path) or said.key or file.path
        if key is None:
            found.append(f"{path}: {file.error or 'it was not looked at'}")
        elif key.error.startswith(_UNSEEN):
            found.append(f"{path}: {key.error}")
    return found


def modes(keys: Iterable[tuple[File, Key | None]]) -> list[str]:
    """`/etc/ssl/www.key: 0640 root:ssl-cert`, a line for each."""
    seen = (key for _, key in keys if key and not key.error)
    return [f"{key.path}: {key.mode:04o} {key.owner}:{key.group}" for key in seen]


def unfit(files: Iterable[File]) -> list[str]:
    """Leaves with which no server lets a client log in."""
    return [f"{each.label} {words}" for each in _firsts(files) if (words := _unfit(each.certificate))]


def _unfit(certificate: Certificate) -> str:
    if certificate.malformed:
        return f"has extensions that cannot be read: {certificate.malformed}"
    if certificate.is_authority:
        return "is an authority's"
    purposes = certificate.value(x509.ExtendedKeyUsage)
    if purposes is not None and not {Purpose.CLIENT_AUTH, Purpose.ANY_EXTENDED_KEY_USAGE} & set(purposes):
        return "is not for clients: clientAuth is not among its purposes"
    usage = certificate.value(x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        return "may not sign in a handshake: its keyUsage lacks digitalSignature"
    return ""


def not_reloaded(shown: Shown, files: Sequence[File]) -> list[Fault]:
    """Places that serve another leaf than is on disk; raises NotMeasured where it may be one that they do not show.

    Of a server with a certificate for each kind of key, that of a kind which is not on disk is another file's.
    """
    disk = _firsts(files)
    on_disk = first_of([f"{each.path} has {_short(each.certificate)}" for each in disk], most=2)
    ders = {each.certificate.der for each in disk}
    kinds = list(dict.fromkeys(each.certificate.kind_of_key for each in disk))
    found, unknown = [], []
    for spot, chain in shown.chains():
        if chain.leaf is None or chain.leaf.der in ders:
            continue
        kind, at_address = chain.leaf.kind_of_key, keys.shown(spot.seen)
        if kind in kinds or not all((kind, *kinds)):
            found.append((spot, f"{_short(chain.leaf)} is served, and {on_disk}"))
        elif kind in at_address and not at_address.isdisjoint(kinds):
            continue
        elif reasons := [why for each, why in keys.unknown(spot.seen).items() if each in kinds]:
            unknown.append((spot, f"whether an {kinds[0]} certificate is served is not known: {reasons[0]}"))
        else:
            found.append((spot, f"no {' or '.join(kinds)} certificate is served, and {on_disk}"))
    if unknown and not found:
        raise NotMeasured(shown.line(gathered(unknown)))
    return gathered(found)


def _firsts(files: Iterable[File]) -> list[Held]:
    """The first of each file: whose key it is."""
    return [each for each in held(files) if each.number == 0]


def _short(certificate: Certificate) -> str:
    return f"serial {serial(certificate)} until {day(certificate.validity()[1])}"
