"""Migration from `tfa.seq2seq`: `weights` loads a decoder's weights, matching them by `names`."""

from __future__ import annotations

from keras_attention.migration.weights import load_tfa_weights

__all__ = ["load_tfa_weights"]
