"""From strings to strings: the tokenizer, a run directory, and what translates with both.

`runs` is a run directory, the contract between programs; `translator` translates and scores texts
in Python, `translation` is what it returns; `serving` traces the functions that an export offers,
and `litert_workspace` says how much memory those need in LiteRT.
"""

from __future__ import annotations

from keras_attention.text.runs import RunDirectory
from keras_attention.text.tokenizer import SentencePieceTokenizer
from keras_attention.text.translation import ScoredPair, Translation
from keras_attention.text.translator import Translator

__all__ = [
    "RunDirectory",
    "ScoredPair",
    "SentencePieceTokenizer",
    "Translation",
    "Translator",
]
