"""Programs that measure, side by side in one run: `python -m benchmarks.NAME`."""
