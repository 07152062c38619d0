"""What is measured from here, the machine that runs the checks, and not from a host."""
