"""Corpora of millions of pairs, as files of token ids: made once, read in parts.

A training reads: `rows` holds token ids, `parts` the pairs that are planned together, `folder` the
shards, and `manifest` says what they were made of. `preparation` makes them: `survey` looks at a
text, `scatter` encodes it, and `gather` collects each shard.
"""
