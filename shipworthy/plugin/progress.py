"""What is told while hosts are asked: a line that is rewritten on a terminal, nothing in a pipe.

In: hosts that are done. Out: text on the terminal's own stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from shipworthy.report import terminal, text


class Progress:
    """The progress line of one run; silent unless the output is a terminal and no item lines are wanted."""

    def __init__(self, config: pytest.Config) -> None:
        self._reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        if self._reporter and config.getoption("verbose") == 0:
            self._reporter.showfspath = False  # hosts come in as they answer: file names would only flicker
        shown_as_is = config.getoption("capture") == "no"  # what tests print would land in the middle of the line
        self._live = bool(
            self._reporter and self._reporter.isatty and config.getoption("verbose") == 0 and not shown_as_is
        )
        self._total = self._done = self._failed = 0
        self.failed_hosts: set[str] = set()

    def start(self, hosts: Sequence[str]) -> None:
        """These hosts will be asked."""
        self._total = len(hosts)
        self._show()

    def host_done(self, host: str) -> None:
        """All checks of `host` have run."""
        self._done += 1
        self._failed += host in self.failed_hosts
        self._show()

    def end(self) -> None:
        """Leave the line empty for what comes next."""
        if self._live and self._total:
            self._reporter.rewrite("", erase=True)
            self._reporter.write("\r")

    def tell(self, lines: Sequence[str]) -> None:
        """Answer SIGUSR1, in a pipe too."""
        if not self._reporter:
            return
        self.end()
        self._reporter.ensure_newline()
        for line in lines or ["no host is pending"]:
            self._reporter.write_line(text.terminal(line))
        if self._total:
            self._show()

    def _show(self) -> None:
        if self._live:
            self._reporter.rewrite(terminal.progress(self._done, self._failed, self._total), erase=True)
