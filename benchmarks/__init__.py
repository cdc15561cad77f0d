"""Measures of cognito_async beside its peers, all on loopback: run `python -m benchmarks`."""
