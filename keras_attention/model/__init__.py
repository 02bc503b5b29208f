"""Complete models: `Seq2Seq`, built from a configuration, and its relatives.

`config` defines the options, `layers` builds the layers they describe, and `seq2seq` the model.
`generation` has `StepModel`, the base class of `seq2seq`, `ensemble` and models of your own: it
adds search and scoring to anything that encodes a source and decodes step by step. `contract`
checks what such a model says about itself and returns, and `compiled` keeps its compiled functions.
`streaming` decodes while the source is still coming in; `scheduled_sampling` trains a model on its
own tokens.
"""

from __future__ import annotations

from keras_attention.model.config import Seq2SeqConfig
from keras_attention.model.ensemble import Ensemble
from keras_attention.model.generation import StepModel
from keras_attention.model.maxout import Maxout
from keras_attention.model.scheduled_sampling import ScheduledSampling
from keras_attention.model.seq2seq import Seq2Seq
from keras_attention.model.streaming import stream

__all__ = [
    "Ensemble",
    "Maxout",
    "ScheduledSampling",
    "Seq2Seq",
    "Seq2SeqConfig",
    "StepModel",
    "stream",
]
