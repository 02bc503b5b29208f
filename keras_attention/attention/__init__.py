"""Attention layers: one mechanism a file, over one base layer."""

from __future__ import annotations

from keras_attention.attention.alignment import Alignment
from keras_attention.attention.alignments import Hardmax, Softmax
from keras_attention.attention.bahdanau import BahdanauAttention
from keras_attention.attention.base import AttentionLayer, Memory
from keras_attention.attention.chunkwise import MonotonicChunkwise
from keras_attention.attention.function import FunctionAttention
from keras_attention.attention.local import LocalMonotonic, LocalPredictive
from keras_attention.attention.luong import LuongAttention
from keras_attention.attention.monotonic import Monotonic
from keras_attention.attention.multi_head import MultiHead
from keras_attention.attention.multi_source import MultiSource
from keras_attention.attention.past import Coverage, Location, Past
from keras_attention.attention.scored import Attention
from keras_attention.attention.sparsemax import Sparsemax

__all__ = [
    "Alignment",
    "Attention",
    "AttentionLayer",
    "BahdanauAttention",
    "Coverage",
    "FunctionAttention",
    "Hardmax",
    "LocalMonotonic",
    "LocalPredictive",
    "Location",
    "LuongAttention",
    "Memory",
    "Monotonic",
    "MonotonicChunkwise",
    "MultiHead",
    "MultiSource",
    "Past",
    "Softmax",
    "Sparsemax",
]
