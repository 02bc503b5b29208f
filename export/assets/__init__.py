"""What lies beside the artefacts of an export, for people and for tests.

`description` makes `config.json` and the examples, `reference` the Keras model's answers that
`verify` compares with, `readme` the README.
"""
