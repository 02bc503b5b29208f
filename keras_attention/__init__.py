"""Recurrent sequence-to-sequence models with attention for Keras 3.

The parts in the order of the computation: an encoder reads (`recurrent`); `scores` compares its
outputs with a query; `masking` has the masked softmax, and `alignments` what can take its place;
`attention` joins them to layers, which `recurrent`'s decoder calls at every step; `model`, `losses`
and `decoding` train it and search with it; `advice` says what trains it fastest.

Everything public stands in one namespace, which is the module of that name, for example
`ka.alignments.Monotonic`. What most programs begin with is here as well: `ka.BahdanauAttention` is
`ka.attention.BahdanauAttention`.
"""

from __future__ import annotations

from keras_attention import (
    advice,
    alignments,
    attention,
    cells,
    decoding,
    export,
    losses,
    masking,
    metrics,
    migration,
    model,
    recurrent,
    schedules,
    scores,
    text,
)
from keras_attention.attention import (
    AttentionPooling,
    BahdanauAttention,
    LuongAttention,
    attention_of,
)
from keras_attention.decoding import BeamSearch, GreedySearch, SamplingSearch
from keras_attention.model import Seq2Seq, Seq2SeqConfig
from keras_attention.recurrent import AttentionDecoder, BiLSTMEncoder, LSTMEncoder
from keras_attention.text import RunDirectory, SentencePieceTokenizer, Translator

__version__ = "0.1.0"
__all__ = [
    "AttentionDecoder",
    "AttentionPooling",
    "BahdanauAttention",
    "BeamSearch",
    "BiLSTMEncoder",
    "GreedySearch",
    "LSTMEncoder",
    "LuongAttention",
    "RunDirectory",
    "SamplingSearch",
    "SentencePieceTokenizer",
    "Seq2Seq",
    "Seq2SeqConfig",
    "Translator",
    "advice",
    "alignments",
    "attention",
    "attention_of",
    "cells",
    "decoding",
    "export",
    "losses",
    "masking",
    "metrics",
    "migration",
    "model",
    "recurrent",
    "schedules",
    "scores",
    "text",
]
