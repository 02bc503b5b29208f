"""One decoding: `steps` listens to a running model, `text` and `picture` show its numbers."""
