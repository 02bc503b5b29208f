"""Attention layers, one mechanism per file.

`base` defines the interface of all of them; `scored` is the base of those that score every
position, align and sum. `past` feeds earlier weights into the next score, `pooling` attends without
a query, and `registry` lists the names that configurations use. `report` collects the weights of
all layers in a model.
"""

from __future__ import annotations

from keras_attention.attention.bahdanau import BahdanauAttention
from keras_attention.attention.base import AttentionLayer, Memory
from keras_attention.attention.function import FunctionAttention
from keras_attention.attention.luong import LuongAttention
from keras_attention.attention.multi_head import MultiHead
from keras_attention.attention.multi_source import MultiSource
from keras_attention.attention.past import Coverage, Location, Past
from keras_attention.attention.pooling import AttentionPooling
from keras_attention.attention.report import attention_of
from keras_attention.attention.scored import Attention

__all__ = [
    "Attention",
    "AttentionLayer",
    "AttentionPooling",
    "BahdanauAttention",
    "Coverage",
    "FunctionAttention",
    "Location",
    "LuongAttention",
    "Memory",
    "MultiHead",
    "MultiSource",
    "Past",
    "attention_of",
]
