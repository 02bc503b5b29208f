"""Compare what is deployed: our exports, and a Transformer in CTranslate2.

`sides` makes our exports and names all sides, `transformer` trains the comparison, `quality` scores
translations, and `speed` measures searches of a fixed length.
"""
