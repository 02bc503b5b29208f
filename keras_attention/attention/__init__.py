"""Attention mechanisms, one a file over one base layer."""

from __future__ import annotations

from keras_attention.attention.alignments import Alignment, Hardmax, Softmax, Sparsemax
from keras_attention.attention.bahdanau import BahdanauAttention
from keras_attention.attention.base import Attention, Memory
from keras_attention.attention.luong import LuongAttention

__all__ = [
    "Alignment",
    "Attention",
    "BahdanauAttention",
    "Hardmax",
    "LuongAttention",
    "Memory",
    "Softmax",
    "Sparsemax",
]
