"""Machines."""

from lab.machines.build import machines
from lab.machines.machine import Machine

__all__ = ["Machine", "machines"]
