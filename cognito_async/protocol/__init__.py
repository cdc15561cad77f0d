"""The protocol, pure: no I/O, no clock and no randomness of its own; time and chance are arguments."""
