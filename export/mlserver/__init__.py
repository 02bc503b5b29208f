"""The server of an export: `serve.py` starts MLServer behind `guard`, `runtime` translates in it.

They import `mlserver`, which this package does not require; therefore nothing here imports them.
`write` copies them into the export, with their settings; `deployment` writes what makes an image of
them, and replicas in a cluster.
"""
