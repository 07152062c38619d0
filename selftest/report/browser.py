"""A real browser, for pages whose behaviour is claimed: Debian's chromium, headless, with a profile of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr"),
)


def chromium() -> str:
    """Where the browser is; without one the test is skipped, and fails in CI."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed")
        pytest.skip("chromium is not installed")
    return path


class Seen:
    """A page as the browser has it after its scripts ran."""

    def __init__(self, dom: str, console: list[str]) -> None:
        self.dom = dom
        self.console = console
        """What the page wrote to the console, complaints about its policy included."""

    @property
    def title(self) -> str:
        found = re.search(r"<title[^>]*>(.*?)</title>", self.dom, re.DOTALL)
        return found[1] if found else ""


def see(page: Path, query: str = "") -> Seen:
    """Load `page` and let it settle."""
    with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
        run = subprocess.run(
            [
                chromium(),
                *_FLAGS,
                f"--user-data-dir={profile}",
                "--virtual-time-budget=3000",
                "--dump-dom",
                f"{page.as_uri()}{query}",
            ],
            capture_output=True,
            timeout=60,
            check=True,
        )
    console = [line for line in run.stderr.decode("utf-8", "replace").splitlines() if "CONSOLE" in line]
    return Seen(run.stdout.decode("utf-8", "replace"), console)


def without_policy(page: Path) -> Path:
    """A copy without its content-security policy: what must be inert by escaping alone, and what a test may drive."""
    html = page.read_text("utf-8")
    bare = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    assert bare != html
    copy = page.with_name("without-policy.html")
    copy.write_text(bare, "utf-8")
    return copy


def driven(page: Path, script: str) -> Seen:
    """`page` after `script` acted on it as a person would."""
    copy = without_policy(page)
    act = f"<script>addEventListener('load', () => setTimeout(() => {{ {script} }}, 50))</script>"
    copy.write_text(copy.read_text("utf-8").replace("</body>", f"{act}</body>"), "utf-8")
    return see(copy)
