"""Alignments, which turn scores into weights with the softmax of `masking`, or in other ways.

`base` holds their base class.

`softmax`, `sparsemax`, `local` and `monotonic` each hold one family. `chunkwise` extends
`monotonic`, which sums with `linear_recurrence`. No alignment depends on how scores are computed.
"""

from __future__ import annotations

from keras_attention.alignments.base import Alignment
from keras_attention.alignments.chunkwise import MonotonicChunkwise
from keras_attention.alignments.local import LocalMonotonic, LocalPredictive
from keras_attention.alignments.monotonic import Monotonic
from keras_attention.alignments.softmax import Hardmax, Softmax
from keras_attention.alignments.sparsemax import Sparsemax

__all__ = [
    "Alignment",
    "Hardmax",
    "LocalMonotonic",
    "LocalPredictive",
    "Monotonic",
    "MonotonicChunkwise",
    "Softmax",
    "Sparsemax",
]
