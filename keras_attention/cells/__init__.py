"""Recurrent cells, and functions that run a stack of them.

`protocol` says what this package expects of a cell, and `stack` runs several on top of each other.
`looped` moves what no step changes out of a loop. `residual` and `layer_norm` are cells that Keras
does not have.
"""

from __future__ import annotations

from keras_attention.cells.layer_norm import LayerNormLSTMCell
from keras_attention.cells.residual import ResidualCell

__all__ = [
    "LayerNormLSTMCell",
    "ResidualCell",
]
