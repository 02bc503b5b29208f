"""MLServer's parts behind limits: `limits` says what is refused, `plane` answers both protocols.

`rest` and `rpc` are the two protocols, and `server` starts them and stops them. `serve.py` is the
program. Nothing here belongs to a model, so a folder `guard` serves any runtime of string inputs.
"""
