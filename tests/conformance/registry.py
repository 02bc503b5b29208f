"""Every public layer and model, once each: how to create it and what to call it with.

To run every test of `test_conformance.py` and `test_keras_export.py` on a new layer, add an entry
here. Constructor arguments differ from the defaults, because an argument that `get_config` forgets
would otherwise be restored by its default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

import keras_attention as ka
from tests.arrays import length_mask, uniform

D, M, U, V = 5, 7, 6, 11
Tensors = dict[str, Any]
Spec = tuple[tuple[int | str, ...], str]
"""Shape without the batch axis, with "S" and "T" for the lengths, and dtype."""


@dataclass(frozen=True)
class Entry:
    """A public layer or model, ready to be created and called.

    Attributes:
        make: Creates a new one.
        call: Calls it with tensors by name; returns all results as a list.
        specs: The tensors that `call` takes. `*_mask` are 0 or 1, ids are padded on the right.
    """

    make: Callable[[], Any]
    call: Callable[[Any, Tensors], Sequence[Any]]
    specs: dict[str, Spec]

    def arrays(self, batch: int, source: int, target: int, seed: int = 0) -> dict[str, np.ndarray]:
        """Inputs of these sizes, padded to mixed lengths (the first row is full)."""
        sizes = {"S": source, "T": target}
        arrays = {}
        for place, (name, (shape, dtype)) in enumerate(sorted(self.specs.items())):
            full = [batch, *(sizes[n] if isinstance(n, str) else n for n in shape)]
            if dtype == "float32":
                arrays[name] = uniform(*full, seed=seed + place)
                continue
            lengths = [max(1, full[1] - 2 * row) for row in range(batch)]
            least, below = (1, 2) if name.endswith("mask") else (4, V)
            values = np.random.default_rng(seed + place).integers(least, below, full)
            arrays[name] = np.where(length_mask(lengths, full[1]), values, 0).astype("int32")
        return arrays

    def model(self, layer: Any = None) -> keras.Model:
        """A functional model of the layer alone, for any batch size and lengths."""
        layer = self.make() if layer is None else layer
        if isinstance(layer, keras.Model):
            return layer
        inputs = {
            name: keras.Input(
                [None if isinstance(n, str) else n for n in shape], None, dtype, name=name
            )
            for name, (shape, dtype) in sorted(self.specs.items())
        }
        return keras.Model(inputs, list(self.call(layer, inputs)))


def _attend(layer: Any, x: Tensors) -> Sequence[Any]:
    mask = ops.not_equal(x["value_mask"], 0)
    return layer(x["query"], x["value"], value_mask=mask, return_attention_scores=True)


def _encode(layer: Any, x: Tensors) -> Sequence[Any]:
    return layer(x["inputs"], mask=ops.not_equal(x["mask"], 0))


def _decode(layer: Any, x: Tensors, *more_states: Any) -> Sequence[Any]:
    return layer(
        x["inputs"],
        memory=x["memory"],
        memory_mask=ops.not_equal(x["memory_mask"], 0),
        initial_state=[x["h"], x["c"], *more_states],
        return_attention_scores=True,
        return_state=True,
    )


def _run_cell(layer: Any, x: Tensors) -> Sequence[Any]:
    output, (h, c) = layer(x["x"], [x["h"], x["c"]])
    return [output, h, c]


def _decode_own(layer: Any, x: Tensors) -> Sequence[Any]:
    return layer(
        x["inputs"],
        memory=x["memory"],
        memory_mask=ops.not_equal(x["memory_mask"], 0),
        reads_output=ops.not_equal(x["own_mask"], 0),
        return_state=True,
    )


def _decode_alone(layer: Any, x: Tensors) -> Sequence[Any]:
    return layer(x["inputs"], initial_state=[x["h"], x["c"]], return_state=True)


def _align(layer: Any, x: Tensors) -> Sequence[Any]:
    return [layer(x["scores"])]


def _attend_to_two(layer: Any, x: Tensors) -> Sequence[Any]:
    masks = [ops.not_equal(x["value_mask"], 0), None]
    values = [x["value"], x["other"]]
    return layer(x["query"], values, value_mask=masks, return_attention_scores=True)


def _decode_two(layer: Any, x: Tensors) -> Sequence[Any]:
    return layer(
        x["inputs"],
        memory=[x["memory"], x["other"]],
        memory_mask=[ops.not_equal(x["memory_mask"], 0), None],
        initial_state=[x["h"], x["c"]],
        return_attention_scores=True,
        return_state=True,
    )


ALIGNING = {"scores": (("T", "S"), "float32")}
ATTENDING = {
    "query": (("T", D), "float32"),
    "value": (("S", M), "float32"),
    "value_mask": (("S",), "int32"),
}
SAME_SIZE = {**ATTENDING, "value": (("S", D), "float32")}
ENCODING = {"inputs": (("S", D), "float32"), "mask": (("S",), "int32")}
DECODING_ALONE = {
    "inputs": (("T", D), "float32"),
    "h": ((U,), "float32"),
    "c": ((U,), "float32"),
}
DECODING = {
    **DECODING_ALONE,
    "memory": (("S", M), "float32"),
    "memory_mask": (("S",), "int32"),
}
RUNNING_A_CELL = dict.fromkeys(("x", "h", "c"), ((U,), "float32"))
IDS = {"source": (("S",), "int32"), "target": (("T",), "int32")}


def _seq2seq(**options: Any) -> ka.Seq2Seq:
    sizes = {"embedding_size": D, "encoder_units": 3, "decoder_units": U, "attention_units": 4}
    words = {"source_vocabulary": V, "target_vocabulary": V + 2}
    return ka.Seq2Seq(ka.Seq2SeqConfig(**{**words, **sizes, **options}))


REGISTRY: dict[str, Entry] = {
    "BahdanauAttention": Entry(
        lambda: ka.BahdanauAttention(
            U, normalize=True, alignment=ka.alignments.Softmax(0.7), dropout=0.2, seed=3
        ),
        _attend,
        ATTENDING,
    ),
    "LuongAttention-general": Entry(
        lambda: ka.LuongAttention("general", scale=True), _attend, ATTENDING
    ),
    "LuongAttention-concat": Entry(
        lambda: ka.LuongAttention(
            "concat", units=U, alignment=ka.alignments.Softmax(0.7), dropout=0.2, seed=3
        ),
        _attend,
        ATTENDING,
    ),
    "BahdanauAttention-monotonic": Entry(
        lambda: ka.BahdanauAttention(
            U,
            alignment=ka.alignments.Monotonic("recursive", noise=0.7, score_bias_init=-0.5),
            seed=3,
        ),
        _attend,
        ATTENDING,
    ),
    "BahdanauAttention-chunkwise": Entry(
        lambda: ka.BahdanauAttention(
            U,
            alignment=ka.alignments.MonotonicChunkwise(3, ka.LuongAttention("general"), noise=0.7),
        ),
        _attend,
        ATTENDING,
    ),
    "LuongAttention-local-predictive": Entry(
        lambda: ka.LuongAttention("general", alignment=ka.alignments.LocalPredictive(2, units=3)),
        _attend,
        ATTENDING,
    ),
    "BahdanauAttention-location": Entry(
        lambda: ka.BahdanauAttention(U, past=ka.attention.Location(2, 5, cumulative=True)),
        _attend,
        ATTENDING,
    ),
    "LuongAttention-coverage": Entry(
        lambda: ka.LuongAttention(
            "concat",
            U,
            alignment=ka.alignments.Sparsemax(),
            past=ka.attention.Coverage(max_fertility=2.0),
        ),
        _attend,
        ATTENDING,
    ),
    "FunctionAttention": Entry(
        lambda: ka.attention.FunctionAttention(
            ka.scores.scaled_dot, alignment=ka.alignments.Hardmax()
        ),
        _attend,
        SAME_SIZE,
    ),
    "MultiHead": Entry(
        lambda: ka.attention.MultiHead(
            ka.BahdanauAttention(4, past=ka.attention.Coverage(), dropout=0.2, seed=3),
            2,
            value_size=3,
        ),
        _attend,
        ATTENDING,
    ),
    "MultiHead-projected": Entry(
        lambda: ka.attention.MultiHead(ka.LuongAttention("dot"), 3, head_size=2),
        _attend,
        ATTENDING,
    ),
    "MultiSource": Entry(
        lambda: ka.attention.MultiSource(
            [
                ka.BahdanauAttention(4, past=ka.attention.Coverage(), dropout=0.2, seed=3),
                ka.attention.MultiHead(ka.LuongAttention("general"), 2),
            ]
        ),
        _attend_to_two,
        {**ATTENDING, "other": (("T", D), "float32")},
    ),
    "Softmax": Entry(lambda: ka.alignments.Softmax(temperature=0.7), _align, ALIGNING),
    "Hardmax": Entry(lambda: ka.alignments.Hardmax(), _align, ALIGNING),
    "Sparsemax": Entry(lambda: ka.alignments.Sparsemax(), _align, ALIGNING),
    "Monotonic": Entry(
        lambda: ka.alignments.Monotonic("recursive", noise=0.3, score_bias_init=-0.1),
        _align,
        ALIGNING,
    ),
    "Monotonic-parallel": Entry(lambda: ka.alignments.Monotonic(), _align, ALIGNING),
    "MonotonicChunkwise": Entry(
        lambda: ka.alignments.MonotonicChunkwise(
            3, ka.BahdanauAttention(4), "recursive", noise=0.3, score_bias_init=-0.1
        ),
        lambda layer, x: [layer(x["scores"], query=x["query"], key=x["key"])],
        {**ALIGNING, "query": (("T", D), "float32"), "key": (("S", M), "float32")},
    ),
    "LocalMonotonic": Entry(lambda: ka.alignments.LocalMonotonic(2), _align, ALIGNING),
    "LocalPredictive": Entry(
        lambda: ka.alignments.LocalPredictive(3, units=4),
        lambda layer, x: [layer(x["scores"], query=x["query"])],
        {**ALIGNING, "query": (("T", D), "float32")},
    ),
    "LuongAttention-dot": Entry(lambda: ka.LuongAttention("dot"), _attend, SAME_SIZE),
    "LuongAttention-scaled_dot": Entry(lambda: ka.LuongAttention("scaled_dot"), _attend, SAME_SIZE),
    "LuongAttention-cosine": Entry(lambda: ka.LuongAttention("cosine"), _attend, SAME_SIZE),
    "AttentionPooling": Entry(
        lambda: ka.AttentionPooling(U, dropout=0.2, alignment=ka.alignments.Softmax(0.7), seed=3),
        lambda layer, x: layer(
            x["inputs"], mask=ops.not_equal(x["mask"], 0), return_attention_scores=True
        ),
        ENCODING,
    ),
    "LSTMEncoder": Entry(
        lambda: ka.LSTMEncoder(
            U, num_layers=2, dropout=0.1, recurrent_dropout=0.2, seed=3, residual=True
        ),
        _encode,
        ENCODING,
    ),
    "BiLSTMEncoder": Entry(
        lambda: ka.BiLSTMEncoder(
            U, num_layers=2, dropout=0.1, recurrent_dropout=0.2, seed=3, residual=True
        ),
        _encode,
        ENCODING,
    ),
    "LSTMEncoder-sequence": Entry(
        lambda: ka.LSTMEncoder(U, return_state=False), lambda *x: [_encode(*x)], ENCODING
    ),
    "BiLSTMEncoder-sequence": Entry(
        lambda: ka.BiLSTMEncoder(U, return_state=False), lambda *x: [_encode(*x)], ENCODING
    ),
    "AttentionDecoder-luong": Entry(
        lambda: ka.AttentionDecoder(
            [keras.layers.LSTMCell(U)],
            ka.LuongAttention("general"),
            attention_layer=keras.layers.Dense(4, activation="tanh"),
        ),
        _decode,
        DECODING,
    ),
    "AttentionDecoder-bahdanau": Entry(
        lambda: ka.AttentionDecoder(
            keras.layers.LSTMCell(U),
            ka.BahdanauAttention(4),
            query="previous",
            input_feeding=True,
            attention_layer=keras.layers.Dense(4, activation="tanh"),
        ),
        _decode,
        DECODING,
    ),
    "AttentionDecoder-nothing-fed-back": Entry(
        lambda: ka.AttentionDecoder(
            keras.layers.LSTMCell(U), ka.BahdanauAttention(4), input_feeding=False
        ),
        _decode,
        DECODING,
    ),
    "AttentionDecoder-monotonic": Entry(
        lambda: ka.AttentionDecoder(
            keras.layers.LSTMCell(U),
            ka.BahdanauAttention(
                4, alignment=ka.alignments.Monotonic(), past=ka.attention.Location(2, 3)
            ),
            query="previous",
        ),
        _decode,
        DECODING,
    ),
    "AttentionDecoder-several-heads": Entry(
        lambda: ka.AttentionDecoder(
            keras.layers.LSTMCell(U),
            ka.attention.MultiHead(
                ka.BahdanauAttention(4, alignment=ka.alignments.LocalMonotonic(2)), 2
            ),
            input_feeding=False,
        ),
        _decode,
        DECODING,
    ),
    "AttentionDecoder-two-sources": Entry(
        lambda: ka.AttentionDecoder(
            keras.layers.LSTMCell(U),
            ka.attention.MultiSource(
                [
                    ka.BahdanauAttention(4, alignment=ka.alignments.Monotonic()),
                    ka.LuongAttention("general"),
                ]
            ),
            query="previous",
        ),
        _decode_two,
        {**DECODING, "other": (("T", D), "float32")},
    ),
    "AttentionDecoder-gru": Entry(
        lambda: ka.AttentionDecoder(
            [keras.layers.GRUCell(U), keras.layers.GRUCell(U)],
            ka.LuongAttention("concat", units=4),
        ),
        _decode,
        DECODING,
    ),
    "AttentionDecoder-between": Entry(
        lambda: ka.AttentionDecoder(
            [keras.layers.LSTMCell(U), keras.layers.LSTMCell(U)],
            ka.BahdanauAttention(4),
            query="between",
        ),
        _decode,
        DECODING,
    ),
    "AttentionDecoder-bottom": Entry(
        lambda: ka.AttentionDecoder(
            [keras.layers.LSTMCell(U), keras.layers.GRUCell(4)],
            ka.BahdanauAttention(4),
            query="bottom",
        ),
        lambda layer, x: _decode(layer, x, x["d"]),
        {**DECODING, "d": ((4,), "float32")},
    ),
    "AttentionDecoder-residual": Entry(
        lambda: ka.AttentionDecoder(
            [ka.cells.LayerNormLSTMCell(U), ka.cells.ResidualCell(keras.layers.GRUCell(4))],
            ka.LuongAttention("general"),
        ),
        lambda layer, x: _decode(layer, x, x["d"]),
        {**DECODING, "d": ((4,), "float32")},
    ),
    "LayerNormLSTMCell": Entry(
        lambda: ka.cells.LayerNormLSTMCell(U, epsilon=1e-3), _run_cell, RUNNING_A_CELL
    ),
    "ResidualCell": Entry(
        lambda: ka.cells.ResidualCell(keras.layers.LSTMCell(U)), _run_cell, RUNNING_A_CELL
    ),
    "Maxout": Entry(
        lambda: ka.model.Maxout(U, pool_size=3),
        lambda layer, x: [layer(x["inputs"])],
        {"inputs": (("T", D), "float32")},
    ),
    "AttentionDecoder-without-attention": Entry(
        lambda: ka.AttentionDecoder(keras.layers.LSTMCell(U), None),
        _decode_alone,
        DECODING_ALONE,
    ),
    "Bridge": Entry(
        lambda: ka.recurrent.Bridge([[U, U], [4]], kind="zeros"),
        lambda layer, x: layer([x["h"], x["c"]]),
        {"h": ((U,), "float32"), "c": ((U,), "float32")},
    ),
    "Bridge-dense": Entry(
        lambda: ka.recurrent.Bridge([[U, U], [4]], states_per_direction=2),
        lambda layer, x: layer([x["h"], x["c"]]),
        {"h": ((U,), "float32"), "c": ((U,), "float32")},
    ),
    "Bridge-mean": Entry(
        lambda: ka.recurrent.Bridge([[U, U], [4]], kind="mean"),
        lambda layer, x: layer(
            [x["h"], x["c"]], x["memory"], memory_mask=ops.not_equal(x["memory_mask"], 0)
        ),
        {name: DECODING[name] for name in ("h", "c", "memory", "memory_mask")},
    ),
    "Seq2Seq-bahdanau": Entry(
        lambda: _seq2seq(
            attention="bahdanau",
            normalize=True,
            dropout=0.1,
            attention_dropout=0.1,
            memory_dropout=0.1,
            coverage_loss=0.5,
        ),
        lambda model, x: [model(x)],
        IDS,
    ),
    "Seq2Seq-luong": Entry(
        lambda: _seq2seq(
            attention="luong",
            alignment="sparsemax",
            past="coverage",
            past_options={"max_fertility": 3.0},
            num_heads=2,
            head_size=3,
            attention_layer_units=7,
            decoder_layers=2,
            decoder_cell="gru",
        ),
        lambda model, x: [model(x)],
        IDS,
    ),
    "Seq2Seq-chunkwise": Entry(
        lambda: _seq2seq(
            normalize=True, alignment="mocha", alignment_options={"noise": 0.5, "chunk_size": 3}
        ),
        lambda model, x: [model(x)],
        IDS,
    ),
    "Seq2Seq-tied": Entry(
        lambda: _seq2seq(
            source_vocabulary=V + 2,
            attention_layer_units=D,
            tie_embeddings="all",
            embedding_dropout=0.1,
            word_dropout=0.1,
            recurrent_dropout=0.1,
        ),
        lambda model, x: [model(x)],
        IDS,
    ),
    "Seq2Seq-deep": Entry(
        lambda: _seq2seq(
            query="bottom",
            decoder_cell="ln-lstm",
            decoder_layers=3,
            encoder_layers=2,
            residual=True,
            readout="maxout",
            readout_units=4,
            bridge="mean",
        ),
        lambda model, x: [model(x)],
        IDS,
    ),
    "ScheduledOutputs": Entry(
        lambda: ka.recurrent.ScheduledOutputs(ka.schedules.Exponential(k=0.9), seed=3),
        lambda layer, x: [ops.cast(layer(x["inputs"]), "float32")],
        {"inputs": (("T", D), "float32")},
    ),
    "AttentionDecoder-reads-output": Entry(
        lambda: ka.AttentionDecoder(
            keras.layers.LSTMCell(U),
            ka.LuongAttention("general"),
            attention_layer=keras.layers.Dense(D),
        ),
        _decode_own,
        {
            "inputs": (("T", D), "float32"),
            "memory": (("S", M), "float32"),
            "memory_mask": (("S",), "int32"),
            "own_mask": (("T",), "int32"),
        },
    ),
    "ScheduledSampling": Entry(
        lambda: ka.model.ScheduledSampling(
            _seq2seq(attention="luong", dropout=0.1).config,
            schedule=ka.schedules.Linear(c=0.01, k=0.9, minimum=0.2),
            temperature=0.7,
            seed=3,
        ),
        lambda model, x: [model(x)],
        IDS,
    ),
    "Seq2Seq-without-attention": Entry(
        lambda: _seq2seq(
            attention=None, encoder="lstm", encoder_units=U, bridge="copy", start_id=2
        ),
        lambda model, x: [model(x)],
        IDS,
    ),
}

BASES = {"Alignment", "Attention", "AttentionLayer", "Past", "Schedule"}
"""Base classes: they cannot be called, because subclasses define the computation."""

PARTS = {"Coverage", "Location"}
"""Public layers that users do not call: parts of attention layers, tested there."""

CONFIGURABLE: dict[str, Callable[[], Any]] = {
    "MaskedCrossEntropy": lambda: ka.losses.MaskedCrossEntropy(
        label_smoothing=0.3, name="other", from_logits=False, ignore_class=2
    ),
    "CoverageLoss": lambda: ka.losses.CoverageLoss(name="other"),
    "GuidedAlignmentLoss": lambda: ka.losses.GuidedAlignmentLoss("squared_error", name="other"),
    "MaskedAccuracy": lambda: ka.metrics.MaskedAccuracy(name="other", ignore_class=2),
    "Location": lambda: ka.attention.Location(2, 5, cumulative=True),
    "Coverage": lambda: ka.attention.Coverage(max_fertility=2.0),
    "Linear": lambda: ka.schedules.Linear(c=0.3, k=0.9, minimum=0.1),
    "Exponential": lambda: ka.schedules.Exponential(k=0.7),
    "InverseSigmoid": lambda: ka.schedules.InverseSigmoid(k=3.0),
}
"""Public classes with a config that are not callable layers."""

NOT_TRAINED_ON = {"ScheduledSampling": "jax"}
"""Layers that refuse a training step, with an error that says why."""

FIRST_OF_EACH_CLASS = tuple({name.partition("-")[0]: name for name in reversed(REGISTRY)}.values())
"""What the core suite tests of properties that take long."""
