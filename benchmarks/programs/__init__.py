"""The programs that are measured, each in a fresh process."""
