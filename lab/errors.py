"""What can go wrong with a lab: one error, one line."""

from __future__ import annotations


class LabError(Exception):
    """A lab could not be built, or a fault is not there although it was injected. The message names the host."""
