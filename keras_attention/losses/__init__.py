"""Losses that leave out padding.

`tokens` has the cross-entropy of target tokens, `attention` losses of attention weights: to cover
the source evenly, or to follow known alignments.
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
