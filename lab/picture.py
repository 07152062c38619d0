"""`make picture`: docs/report.png, the demo's report as a browser draws it, with one finding opened.

In: reports/latest/report.html. Out: a PNG of its upper part.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "reports" / "latest" / "report.html"
PICTURE = ROOT / "docs" / "report.png"
SIZE = (1280, 1250)
OPENED = "ports.exhausted"
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")
_OPEN = f"""
<script>addEventListener("load", () => setTimeout(() => {{
  const row = [...document.querySelectorAll("#results-table tr")].find((row) => row.textContent.includes("{OPENED}"));
  row?.querySelector(".col-outcome")?.click();
}}, 50));</script>
"""


def main() -> int:
    """Take it; 1 when there is nothing to take it of or with."""
    browser = shutil.which("chromium")
    if browser is None or not REPORT.exists():
        print("no picture: it needs chromium, and the report of `make demo`", file=sys.stderr)  # noqa: T201
        return 1
    with tempfile.TemporaryDirectory(prefix="picture-") as folder:
        page = Path(folder) / "report.html"
        page.write_text(_driven(REPORT.read_text("utf-8")), "utf-8")
        size = f"--window-size={SIZE[0]},{SIZE[1]}"
        places = (f"--user-data-dir={folder}/profile", f"--screenshot={PICTURE}")
        command = [browser, *_FLAGS, size, *places, "--virtual-time-budget=3000", page.as_uri()]
        subprocess.run(command, capture_output=True, timeout=60, check=True)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size / 1000:.0f} kB")  # noqa: T201
    return 0


def _driven(html: str) -> str:
    """The page with a hand that opens a row: a script of ours, which the page's own policy would rightly refuse."""
    return html.replace('http-equiv="Content-Security-Policy"', "").replace("</body>", f"{_OPEN}</body>")


if __name__ == "__main__":
    sys.exit(main())
