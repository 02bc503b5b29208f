"""Recurrent sequence-to-sequence models with attention for Keras 3."""

from __future__ import annotations

from keras_attention import masking, schedules, scores
from keras_attention.attention import (
    Alignment,
    Attention,
    BahdanauAttention,
    Coverage,
    FunctionAttention,
    Hardmax,
    LocalMonotonic,
    LocalPredictive,
    Location,
    LuongAttention,
    Memory,
    Monotonic,
    MonotonicChunkwise,
    MultiHead,
    Past,
    Softmax,
    Sparsemax,
)
from keras_attention.attention_losses import CoverageLoss, GuidedAlignmentLoss
from keras_attention.bridges import Bridge
from keras_attention.config import Seq2SeqConfig
from keras_attention.decoder import AttentionDecoder
from keras_attention.decoding import (
    BeamSearch,
    GreedySearch,
    Hypotheses,
    TargetScores,
    beam_search,
    forced_decoding,
    greedy_search,
    scheduled_decoding,
)
from keras_attention.encoders import BiLSTMEncoder, LSTMEncoder
from keras_attention.losses import MaskedCrossEntropy, sequence_loss
from keras_attention.metrics import MaskedAccuracy
from keras_attention.results import ScoredPair, Translation
from keras_attention.runs import RunDirectory
from keras_attention.scheduled_outputs import ScheduledOutputs
from keras_attention.scheduled_sampling import ScheduledSampling
from keras_attention.seq2seq import Seq2Seq
from keras_attention.text import SentencePieceTokenizer
from keras_attention.translator import Translator

__version__ = "0.1.0"
__all__ = [
    "Alignment",
    "Attention",
    "AttentionDecoder",
    "BahdanauAttention",
    "BeamSearch",
    "BiLSTMEncoder",
    "Bridge",
    "Coverage",
    "CoverageLoss",
    "FunctionAttention",
    "GreedySearch",
    "GuidedAlignmentLoss",
    "Hardmax",
    "Hypotheses",
    "LSTMEncoder",
    "LocalMonotonic",
    "LocalPredictive",
    "Location",
    "LuongAttention",
    "MaskedAccuracy",
    "MaskedCrossEntropy",
    "Memory",
    "Monotonic",
    "MonotonicChunkwise",
    "MultiHead",
    "Past",
    "RunDirectory",
    "ScheduledOutputs",
    "ScheduledSampling",
    "ScoredPair",
    "SentencePieceTokenizer",
    "Seq2Seq",
    "Seq2SeqConfig",
    "Softmax",
    "Sparsemax",
    "TargetScores",
    "Translation",
    "Translator",
    "beam_search",
    "forced_decoding",
    "greedy_search",
    "masking",
    "scheduled_decoding",
    "schedules",
    "scores",
    "sequence_loss",
]
