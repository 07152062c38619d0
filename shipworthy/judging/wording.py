"""Lists in a line of a claim's own: as many as one reads, and how many more there are."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 5


def first_of(told: Sequence[str], between: str = ", ", most: int = SHOWN) -> str:
    """`db7, db8 and 4 more`."""
    more = f" and {len(told) - most} more" if len(told) > most else ""
    return between.join(told[:most]) + more


def listed(told: Sequence[str]) -> str:
    """Findings as a message: the first of them in its one line, and beneath it those that did not fit."""
    return "\n".join([first_of(told, "; "), *told[SHOWN:]])
