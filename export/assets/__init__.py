"""The files of an export besides its artefacts.

`description` creates `config.json` and the examples, `reference` the outputs of the Keras model
that `verify` compares with, and `readme` the README.
"""
