"""Faults that need a kernel of the host's own, and so machines (`lab.machines`): nothing is told, all of it is real."""
