"""The server of an export: `runtime` runs in MLServer, `write` writes it with its settings.

`runtime` imports `mlserver`, which this package does not require; therefore nothing here imports
it.
"""
