"""Bytes on their way, of which somebody has changed some: `@given(CHANGES)`, then `changed(data, changes)`."""

from __future__ import annotations

from hypothesis import strategies as st

Changes = list[tuple[float, int]]
"""Where, as a fraction of the length, and what is flipped there."""
CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=4)


def changed(data: bytes, changes: Changes) -> bytes:
    """As long as it was."""
    out = bytearray(data)
    for where, by in changes:
        out[int(where * len(out))] ^= by
    return bytes(out)
