"""What a host or a tool says, made fit for one line of ours: no control characters, no secrets, bounded."""

from __future__ import annotations

from shipworthy.inventory import Secret


def one_line(text: bytes | str, *, at_most: int = 200, hiding: tuple[Secret | None, ...] = ()) -> str:
    """`text` as one printable line of at most `at_most` characters, with the secrets in `hiding` as stars."""
    if isinstance(text, bytes):
        text = text[-65536:].decode("utf-8", "replace")
    for secret in hiding:
        if secret and secret.reveal():
            text = text.replace(secret.reveal(), str(secret))
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    line = " ".join(printable.split())
    return line if len(line) <= at_most else line[: at_most - 1] + "…"


def last_line(*streams: bytes, hiding: tuple[Secret | None, ...] = ()) -> str:
    """The last line that says anything, of the first stream that says anything; empty if none does."""
    for stream in streams:
        for line in reversed(stream[-65536:].splitlines()):
            if shown := one_line(line, hiding=hiding):
                return shown
    return ""


def seconds_as_text(seconds: float) -> str:
    """`30 s`, `2.5 s`, `250 ms`."""
    if seconds < 0.995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f}".removesuffix(".0") + " s"
