"""Benchmarks of cognito_async and its alternatives, on loopback: `python -m benchmarks`, see docs/benchmarks.md."""
