"""Every way in which a login or an answer can go wrong: one clear line for its host, in time, and no harm to others."""

from __future__ import annotations

import re

import pytest

from lab.faults import Turn, answers, login, places, sudo
from lab.files import DEPLOY_PASSWORD
from selftest.scenarios.broken import Broken, Case, Faults

DEADLINE = 12.0
CASES = {
    "refused": Case(login.refused, "connect: .* connection refused"),
    "dropped": Case(login.dropped, "connect: .* no answer within 5 s"),
    "mute": Case(login.no_banner, "banner: .*no SSH banner within"),
    "imposter": Case(login.wrong_host_key, "host key: .*differs"),
    "unauthorized": Case(login.wrong_user_key, "authentication: not accepted as root"),
    "stalled": Case(login.stalled_shell, "session: the probe did not begin within"),
    "no-login": Case(login.failing_shell, "session: .*status 1 .*This account is currently not available"),
    "motd": Case(login.talkative_shell),
    "endless": Case(answers.endless_answer, "answer: more than 2 MiB"),
    "gigabyte": Case(answers.gigabyte_answer, "answer: more than 2 MiB"),
    "no-json": Case(answers.answer_that_is_no_json, "answer: not JSON"),
    "nan": Case(answers.answer_with_nan, "answer: NaN is not a number"),
    "deep": Case(answers.deeply_nested_answer, "answer: nested more than"),
    "duplicate": Case(answers.answer_with_duplicate_keys, "answer: duplicate key 'protocol'"),
    "surrogate": Case(answers.answer_with_lone_surrogate, "answer: a lone surrogate"),
    "cut": Case(answers.answer_cut_in_the_middle, "command: the answer breaks off after"),
    "stderr": Case(answers.stderr_flood),
    "sudo-right": Case(sudo.sudo_with_password),
    "sudo-wrong": Case(sudo.sudo_with_wrong_password, "become: sudo did not accept the password"),
    "sudo-none": Case(sudo.sudo_without_password, "become: sudo asks for a password, and none is configured"),
    "sudo-needless": Case(sudo.sudo_with_needless_password),
    "no-sudo": Case(sudo.no_sudo, "become: sudo is not installed"),
    "no-sudoer": Case(sudo.not_a_sudoer, "become: deploy is not in the sudoers file"),
    "no-python": Case(places.no_python, r"python: no Python 3\.6 or later"),
    "noexec": Case(places.noexec_tmp),
    "full": Case(places.full_disk),
    "read-only": Case(places.read_only_root),
}
FAULTY = [name for name, case in CASES.items() if case.says]
BORNE = [name for name, case in CASES.items() if not case.says]


class TestFaults(Faults):
    cases = CASES
    arguments = (f"--deadline={DEADLINE:g}",)
    of_fleet = frozenset({Turn("clock.odd_one_out", "", "error")})
    """Whoever cannot be reached is missing among the clocks that are compared."""

    @pytest.mark.parametrize("name", BORNE)
    def test_what_must_be_borne_is(self, broken: Broken, name: str) -> None:
        assert broken.untouched(name)

    def test_it_took_one_deadline_in_all(self, broken: Broken) -> None:
        assert broken.run.seconds < DEADLINE + 15  # start, reports, and a busy machine

    def test_a_host_is_told_in_one_line(self, broken: Broken) -> None:
        lines = broken.run.stdout.splitlines()
        for name in FAULTY:
            (told,) = [number for number, line in enumerate(lines) if re.search(rf"(?<![\w-]){name}  ", line)]
            assert not lines[told + 1].startswith(" "), lines[told + 1]

    def test_no_password_is_in_any_file_or_stream(self, broken: Broken) -> None:
        secrets = (DEPLOY_PASSWORD.encode(), sudo.WRONG_PASSWORD.encode())
        said = [broken.run.stdout.encode(), broken.run.stderr.encode()]
        said += [path.read_bytes() for path in broken.run.directory.rglob("*") if path.is_file()]
        assert not any(secret in text for secret in secrets for text in said)
        assert len(said) > 4
