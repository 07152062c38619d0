"""Shipworthy: is this fleet fit to run production on, now?"""

__version__ = "0.1.0"
