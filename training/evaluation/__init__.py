"""How good a model is.

`translation` has BLEU and chrF, `bootstrap` says whether two systems differ, `comparison` sets them
side by side, `lengths` splits by length, `word_alignments` compares weights with people's links.
"""
