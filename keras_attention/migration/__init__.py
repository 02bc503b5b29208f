"""From `tfa.seq2seq`: `weights` copies weights into a decoder, by the `names` they have there."""

from __future__ import annotations

from keras_attention.migration.weights import load_tfa_weights

__all__ = ["load_tfa_weights"]
