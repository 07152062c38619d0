"""The checks: `test_<subject>.py` claims what must be true of a host. Installed, they are `shipworthy.tests`."""
