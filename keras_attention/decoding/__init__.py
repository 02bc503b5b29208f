"""Searches and forced decoding: they know a step function, and no model."""

from __future__ import annotations

from keras_attention.decoding.beam import BeamSearch, beam_search
from keras_attention.decoding.forced import TargetScores, forced_decoding
from keras_attention.decoding.greedy import GreedySearch, greedy_search
from keras_attention.decoding.scheduled import scheduled_decoding
from keras_attention.decoding.types import Hypotheses, StepFunction

__all__ = [
    "BeamSearch",
    "GreedySearch",
    "Hypotheses",
    "StepFunction",
    "TargetScores",
    "beam_search",
    "forced_decoding",
    "greedy_search",
    "scheduled_decoding",
]
