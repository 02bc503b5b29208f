"""Load the weights of a `tfa.seq2seq` decoder into an `AttentionDecoder`; see docs/migration.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_attention.migration.names import wanted_of
from keras_attention.recurrent.decoder import AttentionDecoder
from keras_attention.recurrent.query_times import Current

_IN_CHECKPOINT = "/.ATTRIBUTES/VARIABLE_VALUE"
_BOOKKEEPING = ("_CHECKPOINTABLE_OBJECT_GRAPH", ".OPTIMIZER_SLOT/")


def load_tfa_weights(
    decoder: AttentionDecoder, weights: Mapping[str, Any], partial: bool = False
) -> dict[str, np.ndarray]:
    """Copy the weights of a `tfa.seq2seq.AttentionWrapper` into a decoder of the same architecture.

    Weights are matched by the endings of their names: `_cell/kernel`, `memory_layer/kernel`,
    `attention_v` and so on. If several names match, the shape decides; if that is ambiguous too,
    nothing is loaded. A cell, or the layer over cell output and context, is matched to a path that
    holds exactly its weights. Nothing is assigned until every weight has been found.

    Args:
        decoder: A built decoder with a cell like the wrapped one, `query="current"`, and an
            attention layer if the wrapper had one. Build it by a call or by
            `build(inputs_shape, memory_shape)`.
        weights: Arrays by name, from a checkpoint (`tf.train.load_checkpoint`) or `layer.weights`.
            A checkpoint's object graph and optimizer slots are ignored.
        partial: Whether there may be further weights, as in the checkpoint of a whole model.

    Returns:
        The unused arrays by name, without TensorFlow's suffixes (`/.ATTRIBUTES/VARIABLE_VALUE`,
        `:0`).

    Raises:
        ValueError: If a weight is missing, has another shape, or is ambiguous; if arrays are left
            over and `partial` is False; if the decoder is not built, or queries with the previous
            state, which TensorFlow Addons never does.

    Example:
        >>> import keras, numpy as np
        >>> import keras_attention as ka
        >>> from keras_attention.migration.weights import load_tfa_weights
        >>> decoder = ka.AttentionDecoder(keras.layers.GRUCell(2), ka.LuongAttention("general"))
        >>> decoder.build((None, None, 3), (None, None, 5))
        >>> weights = {
        ...     "decoder/_cell/kernel": np.ones((8, 6)),
        ...     "decoder/_cell/recurrent_kernel": np.ones((2, 6)),
        ...     "decoder/_cell/bias": np.ones((2, 6)),
        ...     "decoder/_attention_mechanisms/0/memory_layer/kernel": np.ones((5, 2)),
        ...     "output_layer/kernel": np.ones((7, 11)),
        ... }
        >>> list(load_tfa_weights(decoder, weights, partial=True))
        ['output_layer/kernel']
    """
    _check_decoder(decoder)
    arrays = _arrays(weights)
    wanted = wanted_of(decoder, arrays)
    problems = [problem for want in wanted if (problem := want.problem(arrays))]
    taken = Counter(name for want in wanted for name in want.chosen(arrays))
    problems += [f"{name!r} matches more than one weight" for name, n in taken.items() if n > 1]
    rest = {name: array for name, array in arrays.items() if name not in taken}
    if rest and not partial and not problems:
        problems = [f"no weight matches {name!r}, {array.shape}" for name, array in rest.items()]
        problems += ["partial=True allows unused arrays, and returns them"]
    if problems:
        raise ValueError(
            "Argument `weights` must hold what the decoder needs:\n- "
            + "\n- ".join(problems)
            + f"\nReceived: weights={ {name: array.shape for name, array in arrays.items()} }"
        )
    for want in wanted:
        for variable, name in zip(want.variables, want.chosen(arrays), strict=True):
            variable.assign(arrays[name])
    return rest


def _check_decoder(decoder: AttentionDecoder) -> None:
    if not decoder.built:
        raise ValueError(
            "Argument `decoder` must be built: call the layer once, or call "
            f"`build(inputs_shape, memory_shape)` first. Received: decoder={decoder}"
        )
    if decoder.attention is not None and not isinstance(decoder.query_time, Current):
        raise ValueError(
            "Argument `decoder` must query as `tfa.seq2seq.AttentionWrapper` does, with the new "
            f"output of the cell: query='current'. Received: query={decoder.query!r}"
        )


def _arrays(weights: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays by name, without TensorFlow's suffixes."""
    arrays: dict[str, np.ndarray] = {}
    for name, array in weights.items():
        if any(part in name for part in _BOOKKEEPING):
            continue
        short = name.removesuffix(_IN_CHECKPOINT).removesuffix(":0")
        if short in arrays:
            raise ValueError(
                f"Argument `weights` must name each weight once. Received: {short!r} twice"
            )
        arrays[short] = np.asarray(array)
    return arrays
