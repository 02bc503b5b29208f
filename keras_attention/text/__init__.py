"""From strings to strings: the tokenizer, the run directory, and a translator that uses both.

`lines` reads text, and `runs` is the run directory, the interface between programs. `conversion`
gives existing SentencePiece models the ids of this package, for `tokenizer`. `translator`
translates and scores texts in Python; `translation` holds its results.
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
