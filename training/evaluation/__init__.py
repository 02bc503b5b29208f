"""Evaluate translations.

`translation` computes BLEU and chrF, `bootstrap` their confidence intervals, `comparison` compares
several models, and `lengths` groups sentences by length.
"""
