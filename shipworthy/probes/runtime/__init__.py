"""What carries probes to a host, starts them there, and brings their readings back.

This side: `bundle` and `block` (what to send), `shell_command` and `LOADER` (the command that takes it), `probe_names`.
The host: run → machine, child, switch, encode; the other files are what probes share of reading the kernel's tables.
Instead of `run`, and of probes, the same way carries `relay`, which is another program with a wire of its own.

The wire, in order: the command line starts `LOADER`; it prints the marker line `SHIPWORTHY-<nonce> magic <the magic
number of its bytecode>`; standard input brings two blocks, each a decimal length, a newline and that many bytes: the
bundle, and the request (JSON). After the marker, standard output carries one JSON document on one line: its newline is
its end. Standard input stays open: its end is the dead-man's switch.
"""

from shipworthy.probes.runtime.wire import LOADER, MAGIC, block, bundle, probe_names, shell_command

__all__ = ["LOADER", "MAGIC", "block", "bundle", "probe_names", "shell_command"]
