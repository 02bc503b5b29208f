"""Losses that ignore padding.

`tokens` holds the cross-entropy of target tokens. `attention` holds losses on attention weights:
one penalizes attending to a position again, the other follows given word alignments.
"""

from __future__ import annotations

from keras_attention.losses.attention import CoverageLoss, GuidedAlignmentLoss
from keras_attention.losses.tokens import MaskedCrossEntropy, sequence_loss

__all__ = [
    "CoverageLoss",
    "GuidedAlignmentLoss",
    "MaskedCrossEntropy",
    "sequence_loss",
]
