"""Parts of readings that are too large for their probe's file, or that several probes share. Sent as needed."""
