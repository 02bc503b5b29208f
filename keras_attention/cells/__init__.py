"""Recurrent cells, and what runs several of them one over another.

`protocol` is what a cell is to this package, `stack` one step of several. `looped` takes out of a
loop what no step changes. `residual` and `layer_norm` are cells that Keras has not.
"""

from __future__ import annotations

from keras_attention.cells.layer_norm import LayerNormLSTMCell
from keras_attention.cells.residual import ResidualCell

__all__ = [
    "LayerNormLSTMCell",
    "ResidualCell",
]
