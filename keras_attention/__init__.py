"""Recurrent sequence-to-sequence models with attention for Keras 3."""

from __future__ import annotations

from keras_attention import masking, schedules, scores
from keras_attention.alignments import (
    Alignment,
    Hardmax,
    LocalMonotonic,
    LocalPredictive,
    Monotonic,
    MonotonicChunkwise,
    Softmax,
    Sparsemax,
)
from keras_attention.attention import (
    Attention,
    BahdanauAttention,
    Coverage,
    FunctionAttention,
    Location,
    LuongAttention,
    Memory,
    MultiHead,
    MultiSource,
    Past,
)
from keras_attention.attention.pooling import AttentionPooling
from keras_attention.attention_losses import CoverageLoss, GuidedAlignmentLoss
from keras_attention.cells.layer_norm import LayerNormLSTMCell
from keras_attention.cells.residual import ResidualCell
from keras_attention.decoding import (
    AllowedTokens,
    BeamSearch,
    GreedySearch,
    Hypotheses,
    MinLength,
    NoRepeatedNgram,
    Prefix,
    Sampling,
    TargetScores,
    beam_search,
    forced_decoding,
    greedy_search,
    sample,
    scheduled_decoding,
)
from keras_attention.losses import MaskedCrossEntropy, sequence_loss
from keras_attention.metrics import MaskedAccuracy
from keras_attention.model.config import Seq2SeqConfig
from keras_attention.model.ensemble import Ensemble
from keras_attention.model.maxout import Maxout
from keras_attention.model.scheduled_sampling import ScheduledSampling
from keras_attention.model.seq2seq import Seq2Seq
from keras_attention.model.streaming import stream
from keras_attention.recurrent.bridges import Bridge
from keras_attention.recurrent.decoder import AttentionDecoder
from keras_attention.recurrent.encoders import BiLSTMEncoder, LSTMEncoder
from keras_attention.recurrent.scheduled_outputs import ScheduledOutputs
from keras_attention.text.runs import RunDirectory
from keras_attention.text.tokenizer import SentencePieceTokenizer
from keras_attention.text.translation import ScoredPair, Translation
from keras_attention.text.translator import Translator

__version__ = "0.1.0"
__all__ = [
    "Alignment",
    "AllowedTokens",
    "Attention",
    "AttentionDecoder",
    "AttentionPooling",
    "BahdanauAttention",
    "BeamSearch",
    "BiLSTMEncoder",
    "Bridge",
    "Coverage",
    "CoverageLoss",
    "Ensemble",
    "FunctionAttention",
    "GreedySearch",
    "GuidedAlignmentLoss",
    "Hardmax",
    "Hypotheses",
    "LSTMEncoder",
    "LayerNormLSTMCell",
    "LocalMonotonic",
    "LocalPredictive",
    "Location",
    "LuongAttention",
    "MaskedAccuracy",
    "MaskedCrossEntropy",
    "Maxout",
    "Memory",
    "MinLength",
    "Monotonic",
    "MonotonicChunkwise",
    "MultiHead",
    "MultiSource",
    "NoRepeatedNgram",
    "Past",
    "Prefix",
    "ResidualCell",
    "RunDirectory",
    "Sampling",
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
    "sample",
    "scheduled_decoding",
    "schedules",
    "scores",
    "sequence_loss",
    "stream",
]
