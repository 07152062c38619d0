"""Fixtures of this repository's own; add yours here. The plugin is named for those who did not install the package."""

pytest_plugins = ["shipworthy.plugin"]
