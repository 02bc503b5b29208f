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
from keras_attention.bridges import Bridge
from keras_attention.config import Seq2SeqConfig
from keras_attention.decoder import AttentionDecoder
from keras_attention.decoding import (
    BeamSearch,
    GreedySearch,
    Hypotheses,
    beam_search,
    greedy_search,
)
from keras_attention.encoders import BiLSTMEncoder, LSTMEncoder
from keras_attention.losses import MaskedCrossEntropy, sequence_loss
from keras_attention.metrics import MaskedAccuracy
from keras_attention.runs import RunDirectory
from keras_attention.seq2seq import Seq2Seq
from keras_attention.text import SentencePieceTokenizer
from keras_attention.translator import Translation, Translator

__version__ = "0.1.0"
__all__ = [
    "Attention",
    "AttentionDecoder",
    "BahdanauAttention",
    "BeamSearch",
    "BiLSTMEncoder",
    "Bridge",
    "GreedySearch",
    "Hypotheses",
    "LSTMEncoder",
    "LuongAttention",
    "MaskedAccuracy",
    "MaskedCrossEntropy",
    "Memory",
    "RunDirectory",
    "SentencePieceTokenizer",
    "Seq2Seq",
    "Seq2SeqConfig",
    "Softmax",
    "Translation",
    "Translator",
    "beam_search",
    "greedy_search",
    "masking",
    "scores",
    "sequence_loss",
]
