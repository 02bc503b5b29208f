"""Searches and forced decoding: they know a step function, and no model.

`greedy` and `sampling` follow one hypothesis for each row in `single_loop`. `beam` begins a search,
`beam_loop` runs it, `extensions` are the ways to go on, `ranking` has the length penalty and takes
the best; `constraints` say what may follow, `options` which search a run asks for. `forced`
scores given targets, `scheduled` mixes them with tokens that `sampling` draws, `margin` measures
how clearly a search decided. `types` is what all of them share.
"""

from __future__ import annotations

from keras_attention.decoding.beam import BeamSearch, beam_search
from keras_attention.decoding.constraints import (
    AllowedTokens,
    Constraint,
    MinLength,
    NoRepeatedNgram,
    Prefix,
    Written,
)
from keras_attention.decoding.forced import TargetScores, forced_decoding
from keras_attention.decoding.greedy import GreedySearch, greedy_search
from keras_attention.decoding.options import search_from
from keras_attention.decoding.sampling import SamplingSearch, sample
from keras_attention.decoding.scheduled import scheduled_decoding
from keras_attention.decoding.types import Hypotheses, StepFunction

__all__ = [
    "AllowedTokens",
    "BeamSearch",
    "Constraint",
    "GreedySearch",
    "Hypotheses",
    "MinLength",
    "NoRepeatedNgram",
    "Prefix",
    "SamplingSearch",
    "StepFunction",
    "TargetScores",
    "Written",
    "beam_search",
    "forced_decoding",
    "greedy_search",
    "sample",
    "scheduled_decoding",
    "search_from",
]
