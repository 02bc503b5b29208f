"""Corpora of millions of pairs, as files of token ids: made once, read in parts.

`rows` holds token ids, `parts` the pairs that are planned together, and `folder` the files.
"""
