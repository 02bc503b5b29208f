"""From scores to weights: one alignment a file, over one base class in `base`.

`softmax` has the soft and the hard one, `linear_recurrence` what `monotonic` sums with; `chunkwise`
builds on `monotonic`. None of them knows a score.
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
