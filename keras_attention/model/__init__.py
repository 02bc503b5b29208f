"""Whole models: `Seq2Seq` of a configuration, and models around it.

`config` says what can be chosen, `layers` makes the parts of it, `seq2seq` the model. `generation`
has the base of whatever encodes and decodes step by step, which searches and scores: of `seq2seq`
and of `ensemble`. `streaming` decodes before the source has ended, `scheduled_sampling` trains on a
model's own tokens.
"""

from __future__ import annotations

from keras_attention.model.config import Seq2SeqConfig
from keras_attention.model.ensemble import Ensemble
from keras_attention.model.maxout import Maxout
from keras_attention.model.scheduled_sampling import ScheduledSamplingModel
from keras_attention.model.seq2seq import Seq2Seq
from keras_attention.model.streaming import stream

__all__ = [
    "Ensemble",
    "Maxout",
    "ScheduledSamplingModel",
    "Seq2Seq",
    "Seq2SeqConfig",
    "stream",
]
