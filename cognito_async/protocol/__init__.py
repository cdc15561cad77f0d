"""The protocol. Pure: no I/O; time and randomness are arguments."""
