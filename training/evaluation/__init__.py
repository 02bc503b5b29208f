"""Evaluate outputs against references.

`metrics` computes what `data.metric` names, `bootstrap` its confidence intervals; `translation` and
`answers` report a model, `comparison` compares several, and `lengths` groups sentences by length.
"""
