"""Names of alignments and `past` layers for configurations."""

from __future__ import annotations

from typing import Literal

from keras_attention.alignments.base import Alignment
from keras_attention.alignments.chunkwise import MonotonicChunkwise
from keras_attention.alignments.local import LocalMonotonic, LocalPredictive
from keras_attention.alignments.monotonic import Monotonic
from keras_attention.alignments.softmax import Hardmax, Softmax
from keras_attention.alignments.sparsemax import Sparsemax
from keras_attention.attention.past import Coverage, Location, Past

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
