"""Encoders, the decoder with attention in its loop, and the bridge between them.

`query_times` has one class per query time: its equations, and what each cell reads. On top of it,
`decoder_step` maps a decoder's flat state to the next, `decoder` is the Keras layer,
`decoder_arguments` checks the layer's arguments, and `decoder_loop` runs it over a target.
`scheduled_outputs` feeds a decoder its own outputs. `padding` freezes an encoder on padding, and
closes the holes in what it reads.
"""

from __future__ import annotations

from keras_attention.backend import plain_gradients
from keras_attention.recurrent.bridges import Bridge
from keras_attention.recurrent.decoder import AttentionDecoder
from keras_attention.recurrent.encoders import BiLSTMEncoder, LSTMEncoder
from keras_attention.recurrent.scheduled_outputs import ScheduledOutputs

__all__ = [
    "AttentionDecoder",
    "BiLSTMEncoder",
    "Bridge",
    "LSTMEncoder",
    "ScheduledOutputs",
    "plain_gradients",
]
