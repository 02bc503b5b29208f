"""Recurrent sequence-to-sequence models with attention for Keras 3."""

from __future__ import annotations

from keras_attention import masking, scores
from keras_attention.attention import (
    Attention,
    BahdanauAttention,
    LuongAttention,
    Memory,
    Softmax,
)
from keras_attention.decoder import AttentionDecoder
from keras_attention.encoders import BiLSTMEncoder, LSTMEncoder

__version__ = "0.1.0"
__all__ = [
    "Attention",
    "AttentionDecoder",
    "BahdanauAttention",
    "BiLSTMEncoder",
    "LSTMEncoder",
    "LuongAttention",
    "Memory",
    "Softmax",
    "masking",
    "scores",
]
