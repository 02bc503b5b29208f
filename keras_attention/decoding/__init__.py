"""Searches and forced decoding: everything here works on a step function, not on a model.

`greedy` and `sampling` follow one hypothesis per row in `single_loop`. `beam` sets up a beam
search, `beam_loop` makes its steps, `extensions` finds the best extended hypotheses, and `ranking`
scores them. `loop` repeats the steps of any search until all hypotheses have ended. `constraints`
restrict the next token; `options` builds a search from plain numbers. `forced` scores given
targets, `scheduled` mixes them with tokens drawn by `sampling`, and `margin` measures how clear-cut
a search was. `types` holds what they share.
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
