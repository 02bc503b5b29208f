"""The server of an export: `runtime` runs in MLServer, `write` puts it and its settings there.

`runtime` imports `mlserver`, which is no requirement of this package: nothing here imports it.
"""
