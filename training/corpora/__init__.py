"""Parallel text, and labelled text.

`files` finds corpora, `pairs` reads them, `splits` divides them, and `report` lists the lines that
were dropped and why. `colours` labels descriptions for the classifier.
"""
