"""Encoders, the decoder with attention in its loop, and the bridge between them.

`query_times` has a class for each time to query: its equations, and what each cell reads. With it
`decoder_step` goes from a decoder's flat state to the next, `decoder` makes a Keras layer of that,
`decoder_arguments` checks what it is given, and `decoder_loop` runs it over a target.
`scheduled_outputs` feeds a decoder its own outputs.
"""

from __future__ import annotations

from keras_attention.recurrent.bridges import Bridge
from keras_attention.recurrent.decoder import AttentionDecoder
from keras_attention.recurrent.encoders import BiLSTMEncoder, LSTMEncoder
from keras_attention.recurrent.scheduled_outputs import ScheduledSamplingMask

__all__ = [
    "AttentionDecoder",
    "BiLSTMEncoder",
    "Bridge",
    "LSTMEncoder",
    "ScheduledSamplingMask",
]
