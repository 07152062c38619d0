"""Logs of whatever runs here, such as testinfra's of each command: pytest writes them to its terminal and its log file.

In: what takes secrets out of a text. Out: from then on no log record has one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from shipworthy.inventory import Redaction


def redact_logs(redact: Redaction) -> Callable[[], None]:
    """Take secrets out of every log record as it is made; what is returned ends that."""
    make = logging.getLogRecordFactory()

    def redacted(*arguments: Any, **keywords: Any) -> logging.LogRecord:
        record = make(*arguments, **keywords)
        try:
            said = record.getMessage()
        except Exception:  # noqa: BLE001  its author's mistake, which logging tells in its own way
            return record
        if redact.finds(said):
            record.msg, record.args = redact(said), None
        return record

    logging.setLogRecordFactory(redacted)
    return lambda: logging.setLogRecordFactory(make)
