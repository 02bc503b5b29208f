"""Parallel text, and labelled text.

`files` finds corpora, `pairs` reads them, `splits` divides them, and `report` says what was dropped
and why. `colours` labels descriptions for the classifier.
"""
