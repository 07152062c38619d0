"""report.html in a real browser: what it shows, what it does, and what it does not let happen."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from selftest.report import fleet
from selftest.report.browser import Seen, driven, see, without_policy
from shipworthy.report import html
from shipworthy.results import Measure, Result

GOLDEN = Path(__file__).parent / "golden"
OWNED = "document.title='owned'"
PAYLOADS = [
    f"<script>{OWNED}</script>",
    f'"><img src=x onerror="{OWNED}">',
    f"'><svg onload={OWNED}>",
    f"</script><script>{OWNED}</script>",
    f"</style><script>{OWNED}</script>",
    f"</title><script>{OWNED}</script>",
    f"--><script>{OWNED}</script><!--",
    f'</td></template><iframe srcdoc="<script>parent.{OWNED}</script>">',
    f"{{{{ ''.__class__ }}}}{{% raw %}}<b onmouseover={OWNED}>",
    f"&lt;script&gt;{OWNED}&lt;/script&gt;",
    f'\x1b]0;owned\x07\u202e\x00\ud800<a href="javascript:{OWNED}">`{OWNED}`',
    "E   a line that pytest-html wraps\nE   again\\x\\",
]


def hostile() -> list[Result]:
    """Every payload in every field that a host, an inventory or a policy can fill."""
    found = []
    for payload in PAYLOADS:
        bad = replace(
            fleet.swap_failed(payload),
            nodeid=f"tests/{payload}.py::{payload}[{payload}]",
            check=f"{payload}.{payload}",
            test=payload,
            subject=payload,
            item=payload,
            message=payload,
            evidence=(payload, payload),
            note=payload,
            why=payload,
            look=payload,
            measures=(Measure(payload, 1, payload, 2, 3, payload),),
        )
        outcomes = [replace(bad, outcome=outcome) for outcome in ("failed", "warned", "waived", "skipped", "error")]
        found += [*outcomes, replace(bad, host=None), replace(bad, host="web1", message="the same"), bad]
    return [*found, *(replace(each, host="web2") for each in found if each.host == "web1")]


def page(directory: Path, results: list[Result], **facts: object) -> Path:
    return html.render(fleet.stored(directory, results, **facts))


def rows(seen: Seen) -> list[str]:
    """The findings that can be seen, as their text."""
    table = seen.dom.partition('<table id="results-table"')[2].partition("<footer>")[0]
    bodies = re.findall(r"<tbody([^>]*)>(.*?)</tbody>\s*(?=<tbody|</table>)", table, re.DOTALL)
    shown = [body for attributes, body in bodies if "hidden" not in attributes]
    return [text_of(body.partition('<tr class="extras-row')[0]) for body in shown]


def text_of(markup: str) -> str:
    without_hidden = re.sub(r"<(i|td) hidden.*?</\1>", "", markup, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", without_hidden)).split())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page(tmp_path_factory.mktemp("small"), fleet.small())


def test_findings_stand_worst_first_skipped_folded(small: Path) -> None:
    golden = (GOLDEN / "rows.txt").read_text().splitlines()
    assert rows(see(small)) == golden


def test_the_browser_has_nothing_to_complain_of(small: Path) -> None:
    seen = see(small)
    assert seen.console == []
    assert seen.title == "Shipworthy · staging"


def test_counts_add_up_and_the_matrix_has_them(small: Path) -> None:
    text = text_of(see(small).dom.partition('id="sw"')[2].partition("</table>")[0])
    assert "59 passed 2 warned 7 failed 18 errors 4 skipped 1 waived = 91 checks" in text
    assert "db1 ✓ 1 ✓ 2 ✓ 2 ✓ 2 /3 ✕ 1 /2 ✕ 1 /6 ✓ 2 " in text
    assert "all ✕ 1 /5 ! 2 /10 ! 2 /10 ✕ 1 /15 ✕ 4 /11 ✕ 1 /30 ! 2 /10" in text


def test_a_row_opens_on_evidence_measures_why_and_look(small: Path) -> None:
    seen = driven(small, "document.querySelectorAll('.col-where')[2].click()")
    table = seen.dom.partition('<table id="results-table"')[2]
    details = re.search(r'<tr class="extras-row">(.*?)<div class="media', table, re.DOTALL)
    assert details
    assert text_of(details[1]) == (
        "Evidence java[1234] 480 MiB postgres[812] 22.4 MiB systemd-journald[401] 6.1 MiB "
        "Measured memory.swap_used 512 MiB warning level 0 B, limit 64 MiB policies/staging.yml:7 "
        "Why a swapping host answers at disk speed, and is one allocation away from the OOM killer. "
        "Look the processes listed in the evidence; then vmstat 1 , and VmSwap in /proc/PID/status. "
        "Check tests/test_memory.py::test_swap_is_unused[db1]"
    )


def test_a_reason_for_several_checks_names_the_items_and_speaks_for_no_single_check(tmp_path: Path) -> None:
    results = [
        replace(fleet.result("db1", "certificates", claim, "error", "refused", item), why=fleet.WHY, look=fleet.LOOK)
        for claim in ("chain", "trust")
        for item in ("good", "closed")
    ]
    folded, single = (see(page(tmp_path / name, some)) for name, some in (("f", results), ("s", results[:1])))
    assert rows(folded) == ["! error db1 2 checks good, closed refused"]
    assert [words in single.dom for words in (fleet.WHY, "<h4>Look</h4>")] == [True, True]
    assert [words in folded.dom for words in (fleet.WHY, "<h4>Look</h4>")] == [False, False]
    assert (
        "Checks certificates.chain certificates.trust Items good closed "
        "The first of 4 results tests/test_certificates.py::test_chain[db1/good]"
    ) in text_of(folded.dom)


def test_a_cell_of_the_matrix_shows_its_host_and_subject_only(small: Path) -> None:
    click = "document.querySelector('.cell[title*=failed][data-subject=memory][data-host]').click()"
    seen = driven(small, click)
    assert [row.partition(" memory.")[0] for row in rows(seen)] == ["✕ failed db1", "▲ warned db1"]
    assert "2 of 9 shown for db1 · memory" in text_of(seen.dom)
    assert len(rows(driven(small, f"{click}; document.querySelector('.clear').click()"))) == 8


def test_a_count_shows_and_hides_its_outcome(small: Path) -> None:
    skipped, failed = (f"document.querySelector('.count.{outcome}').click()" for outcome in ("skipped", "failed"))
    assert [row.split()[1] for row in rows(driven(small, f"{skipped};{failed}"))] == [
        "error", "warned", "warned", "waived", "skipped",
    ]  # fmt: skip


def test_sorting_keeps_the_filters(small: Path) -> None:
    sort = "document.querySelector('th[data-column-type=check]').click()"
    seen = driven(small, f"document.querySelector('.count.failed').click(); {sort}")
    assert [row.split()[1] for row in rows(seen)] == ["warned", "error", "warned", "waived"]


def test_the_keyboard_opens_a_row(small: Path) -> None:
    enter = "new KeyboardEvent('keydown', {key: 'Enter', bubbles: true})"
    seen = driven(small, f"document.querySelector('.col-outcome[tabindex]').dispatchEvent({enter})")
    assert seen.dom.count('aria-expanded="true"') == 1


def test_a_clean_run_says_so_in_a_sentence(tmp_path: Path) -> None:
    text = text_of(see(page(tmp_path, list(fleet.plain(fleet.HOSTS)))).dom)
    assert "Within policy Every check that ran is within its limits." in text
    assert "Nothing else to tell: every check passed plainly." in text


def test_a_partial_run_names_what_did_not_run(tmp_path: Path) -> None:
    facts = {"status": "interrupted", "exit_status": 2, "not_run": ("tests/test_dns.py::test_x[db1]",)}
    text = text_of(see(page(tmp_path, fleet.small()[:3], **facts)).dom)
    assert "Interrupted" in text and "= 3 checks; 1 more did not run" in text
    assert "tests/test_dns.py::test_x[db1]" in text


def test_results_are_believed_before_the_exit_status(tmp_path: Path) -> None:
    assert "Not within policy" in text_of(see(page(tmp_path, fleet.small(), exit_status=0)).dom)


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    facts = {
        **{name: tuple(PAYLOADS) for name in ("arguments", "inventories", "policies", "hosts", "not_run", "notices")},
        **dict.fromkeys(("run", "by", "commit", "limit", "started", "finished", "replay_of"), PAYLOADS[1]),
        "versions": dict(zip(PAYLOADS, PAYLOADS, strict=True)),
    }
    return page(tmp_path_factory.mktemp("evil"), hostile(), **facts)


@pytest.mark.parametrize("query", ["", "?collapsed="])
def test_nothing_from_outside_runs_under_the_policy(evil: Path, query: str) -> None:
    seen = see(evil, query)
    assert seen.title.startswith("Shipworthy · ")
    assert len(rows(seen)) == len(PAYLOADS) * 5
    assert seen.console == []  # not even something that the policy had to stop


def test_nothing_from_outside_runs_by_escaping_alone(evil: Path) -> None:
    seen = see(without_policy(evil), "?collapsed=")
    assert seen.title.startswith("Shipworthy · ")
    assert not re.search(r"<(iframe|svg|b |img src=.?x|a href=.javascript)", seen.dom)
    assert len(re.findall("<script", seen.dom)) == 2


def test_the_policy_stops_what_is_not_ours(small: Path, tmp_path: Path) -> None:
    planted = small.read_text().replace(
        "</body>", f"<script>{OWNED}</script><img src='data:,' onerror=\"{OWNED}\"><p style='color:red'></p></body>"
    )
    (tmp_path / "planted.html").write_text(planted)
    seen = see(tmp_path / "planted.html")
    assert seen.title == "Shipworthy · staging"
    assert len(rows(seen)) == 8  # ours goes on working
    assert any("Content Security Policy" in line for line in seen.console)
    assert see(without_policy(tmp_path / "planted.html")).title == "owned"  # the plant itself is live


def test_the_page_asks_the_network_for_nothing(small: Path) -> None:
    markup = small.read_text()
    assert not re.search(r"""(?:src|href|url\()=?["'(]?(?:https?:)?//(?!pypi\.python\.org/pypi/pytest-html")""", markup)
    assert "default-src 'none'" in markup
    assert "/site-packages/" not in markup and str(Path.cwd()) not in markup
