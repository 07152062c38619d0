"""The two ways in which looking at a machine can fail; whatever else a probe raises is its own fault."""


class NotSeen(Exception):
    """A value cannot be seen on this machine; the text says why. The reading has None there, and the reason."""


class ParseError(ValueError):
    """A file says what no kernel says; the text names path, line and field. The whole probe is an error."""
