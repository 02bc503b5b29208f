"""What the programs of `training` and `export` share; it starts at once and needs no Keras.

`library` loads parts of the library by their paths, `interrupts` notes a Ctrl-C, `tasks` does many
tasks in processes or on Ray, `lines` says how lines are read and translations written, `scores` how
the likelihood of given translations is written, `progress` tells how far a long translation is, and
`word_alignments` turns attention weights into links between words.
"""
