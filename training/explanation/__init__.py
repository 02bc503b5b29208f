"""Explain one decoding: `steps` records a running model; `text` and `picture` show its numbers."""
