"""The same program with each library: confirm one password reset, and print the CPU time used by then."""
