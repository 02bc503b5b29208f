"""Evaluate translations.

`translation` computes BLEU and chrF, `bootstrap` their confidence intervals, `comparison` compares
several models, `lengths` groups sentences by length, and `word_alignments` turns attention weights
into links between words.
"""
