"""Benchmarks that compare implementations side by side: `python -m benchmarks.NAME`."""
