"""The mechanisms that a configuration can name."""

from __future__ import annotations

from typing import Literal

from keras_attention.attention.alignment import Alignment
from keras_attention.attention.alignments import Hardmax, Softmax
from keras_attention.attention.chunkwise import MonotonicChunkwise
from keras_attention.attention.local import LocalMonotonic, LocalPredictive
from keras_attention.attention.monotonic import Monotonic
from keras_attention.attention.past import Coverage, Location, Past
from keras_attention.attention.sparsemax import Sparsemax

AlignmentName = Literal[
    "softmax", "sparsemax", "hardmax", "monotonic", "mocha", "local-m", "local-p"
]
ALIGNMENTS: dict[str, type[Alignment]] = {
    "softmax": Softmax,
    "sparsemax": Sparsemax,
    "hardmax": Hardmax,
    "monotonic": Monotonic,
    "mocha": MonotonicChunkwise,
    "local-m": LocalMonotonic,
    "local-p": LocalPredictive,
}
PastName = Literal["location", "coverage"]
PASTS: dict[str, type[Past]] = {"location": Location, "coverage": Coverage}
