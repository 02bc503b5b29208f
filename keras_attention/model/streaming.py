"""Streaming: decode while the source is still being read, with hard monotonic attention."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import keras
import numpy as np
from keras import ops

from keras_attention.alignments import Monotonic
from keras_attention.attention import Attention, Memory
from keras_attention.cells.protocol import zero_states
from keras_attention.cells.stack import cell_steps, run_stack, split_states
from keras_attention.checks import check_positive, checked_ids
from keras_attention.ids import END_ID
from keras_attention.model.seq2seq import Seq2Seq
from keras_attention.recurrent.encoders import LSTMEncoder
from keras_attention.types import Tensor


def stream(model: Seq2Seq, source: Iterable[int], max_length: int = 60) -> Iterator[int]:
    """Greedy search for one source that yields each target token as soon as it is known.

    Hard monotonic attention stops at the first source position it selects, so a decoding step needs
    no source beyond it. Source tokens are read one at a time until a position is selected. The
    result equals that of `model.generate` on the whole source.

    Args:
        model: A model with `encoder="lstm"`, `bridge="zeros"` and the alignment `"monotonic"` or
            `"mocha"` with `mode="hard"`, so that no part of it needs the whole source.
        source: Iterable of source ids, ending with the end token. It is read no further than
            needed.
        max_length: Maximum number of target tokens, including the end token.

    Yields:
        Target ids, ending with the end token unless truncated by `max_length`.

    Raises:
        ValueError: If the model needs the whole source, or an id is outside its vocabulary.

    Example:
        >>> import keras_attention as ka
        >>> model = ka.Seq2Seq(
        ...     ka.Seq2SeqConfig(
        ...         11,
        ...         13,
        ...         embedding_size=4,
        ...         encoder="lstm",
        ...         bridge="zeros",
        ...         encoder_units=3,
        ...         decoder_units=6,
        ...         alignment="monotonic",
        ...         alignment_options={"mode": "hard"},
        ...     )
        ... )
        >>> tokens = list(ka.model.stream(model, iter([5, 6, 2]), max_length=4))
        >>> tokens == model.generate([[5, 6, 2]], max_length=4).ids[0, 0].tolist()
        True

    Reference: Raffel et al. 2017, section 2.2 and algorithm 1.
    """
    memories = _memories(model, _streamable_attention(model), source)
    check_positive("max_length", max_length)
    memory = next(memories)
    state = model.decoder.initial_state(memory)
    token = ops.full((1,), model.config.start_id, dtype="int32")
    for _ in range(max_length):
        log_probs, weights, after = model.decode_step(token, state, memory)
        while not np.any(ops.convert_to_numpy(weights)):  # no position selected yet
            longer = next(memories, None)
            if longer is None:
                break
            memory, state = longer, _widened(state, longer)
            log_probs, weights, after = model.decode_step(token, state, memory)
        state = after
        _, best = ops.top_k(log_probs, 1)
        token = ops.cast(best[:, 0], "int32")
        chosen = int(ops.convert_to_numpy(token)[0])
        yield chosen
        if chosen == END_ID:
            return


def _memories(model: Seq2Seq, attention: Attention, source: Iterable[int]) -> Iterator[Memory]:
    """Lazily read the source and yield the memory after each token."""
    cells = [layer["forward"].cell for layer in model.encoder.layers]
    states, _ = split_states(cells, zero_states(cells, 1, model.encoder.compute_dtype))
    memory = None
    for token in chain(source, [END_ID]):
        checked_ids(np.array([[token]]), model.config.source_vocabulary)
        embedded = model.source_embedding(ops.full((1,), token, dtype="int32"))
        padding = ops.zeros_like(embedded[:, :1])  # nothing is padded: see `encoders`
        value, states = run_stack(cell_steps(cells), [embedded], states, beside=[padding])
        place = attention.prepare(ops.expand_dims(value, 1))
        memory = place if memory is None else _joined(memory, place)
        yield memory
        if token == END_ID:
            return


def _joined(before: Memory, new: Memory) -> Memory:
    """Append one position to a memory."""
    return keras.tree.map_structure(
        lambda *both: ops.concatenate(both, axis=1),
        before._replace(mask=()),
        new._replace(mask=()),
    )._replace(mask=None)


def _widened(state: Sequence[Tensor], memory: Memory) -> list[Tensor]:
    """Pad the attention weights in the decoder state with zeros for newly read positions."""
    *others, weights = state
    missing = memory.values.shape[1] - weights.shape[1]
    return [*others, ops.pad(weights, [[0, 0], [0, missing]])]


def _streamable_attention(model: Seq2Seq) -> Attention:
    """The model's attention; raises `ValueError` if a part of the model needs the whole source."""
    attention = model.decoder.attention
    alignment = attention.alignment if isinstance(attention, Attention) else None
    waits = [
        what
        for what, is_so in {
            "an encoder in two directions": not isinstance(model.encoder, LSTMEncoder),
            "residual connections in the encoder": model.config.residual,
            "a bridge from the encoder's last state": model.config.bridge != "zeros",
            "an alignment that is not monotonic and hard": not (
                isinstance(alignment, Monotonic) and alignment.mode == "hard"
            ),
            "scores with a past": getattr(attention, "past", None) is not None,
        }.items()
        if is_so
    ]
    if waits or not isinstance(attention, Attention):
        raise ValueError(
            "Argument `model` must not need the whole source nor have a residual encoder. "
            f"Received: a model with {', '.join(waits)}"
        )
    return attention
