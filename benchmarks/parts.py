"""Measure the speedup of this project's own formulations: `python -m benchmarks.parts`.

Times each one and the equivalent plain formulation in turns, forward and backward, at the sizes of
workload W1 (see `benchmarks.workloads`). A ratio of 1.5x means that ours takes two thirds of the
time.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median, quantiles
from typing import Any
from unittest.mock import patch

import keras
import tensorflow as tf

import keras_attention as ka
from benchmarks.machine import description
from benchmarks.workloads import DECODER, EMBEDDING, ENCODER, VOCABULARY
from keras_attention.dropout import Dropout
from keras_attention.losses.tokens import cross_entropy
from training.fitting.optimizer import Adam

Run = Callable[[], object]
_BATCH, _LENGTH = 64, 15


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.parts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--turns", type=int, default=40, help="turns of each (40)")
    options = parser.parse_args(arguments)
    print("| part | plain ms | ours ms | ours is |\n|---|---|---|---|", flush=True)
    for name, make in PARTS.items():
        with _plain():
            plain = make()
        print(f"| {name} | {_compared(plain, make(), options.turns)} |", flush=True)
    print(f"\n{description()} TensorFlow {tf.__version__}, Keras {keras.__version__}.")
    return 0


def _compared(plain: Run, ours: Run, turns: int) -> str:
    seconds: dict[Run, list[float]] = {plain: [], ours: []}
    for _ in range(turns):
        for run in seconds:
            began = time.perf_counter()
            run()
            seconds[run].append(time.perf_counter() - began)
    pairs = zip(seconds[plain], seconds[ours], strict=True)
    low, ratio, high = quantiles([slow / fast for slow, fast in pairs], n=4)
    times = " | ".join(f"{1e3 * median(own):.1f}" for own in seconds.values())
    return f"{times} | {ratio:.2f}x ({low:.2f} to {high:.2f})"


def _loop() -> Run:
    """Run the decoder's loop, with its gradient."""
    layer = ka.AttentionDecoder(
        keras.layers.LSTMCell(DECODER),
        ka.BahdanauAttention(DECODER),
        attention_layer=keras.layers.Dense(DECODER, activation="tanh"),
    )
    inputs = tf.random.normal((_BATCH, _LENGTH, EMBEDDING))
    memory = tf.random.normal((_BATCH, _LENGTH, 2 * ENCODER))
    layer.build(inputs.shape, memory.shape)

    def results() -> tuple[Any, list[Any]]:
        return layer(inputs, memory=memory, training=True), layer.trainable_variables

    return _trained(results)


def _encoder() -> Run:
    """Run the encoder, with its gradient."""
    layer = ka.BiLSTMEncoder(ENCODER, return_state=False)
    inputs = tf.random.normal((_BATCH, _LENGTH, EMBEDDING))
    layer.build(inputs.shape)
    return _trained(lambda: (layer(inputs, training=True), layer.trainable_variables))


def _loss() -> Run:
    """Compute the cross-entropy of given logits, with label smoothing."""
    logits = tf.Variable(tf.random.normal((_BATCH, _LENGTH, VOCABULARY)))
    targets = tf.random.uniform((_BATCH, _LENGTH), 4, VOCABULARY, "int32")
    return _trained(lambda: (cross_entropy(logits, targets, 0.1), [logits]))


def _optimizer() -> Run:
    """Run Adam with clipping and a moving average, on the weights of W1."""
    shapes = [
        *[(VOCABULARY, EMBEDDING)] * 2,
        *[(EMBEDDING, 4 * ENCODER), (ENCODER, 4 * ENCODER)] * 2,
        *[(DECODER, DECODER)] * 4,
        (EMBEDDING + 2 * DECODER, 4 * DECODER),
        (2 * DECODER, DECODER),
        (DECODER, VOCABULARY),
    ]
    weights = [keras.Variable(tf.random.normal(shape)) for shape in shapes]
    gradients = [tf.random.normal(shape) for shape in shapes]
    optimizer = Adam(1e-3, global_clipnorm=1.0, use_ema=True)
    optimizer.build(weights)
    return _compiled(lambda: optimizer.apply(gradients, weights))


def _dropout() -> Run:
    """Drop features of the decoder's outputs, compiled by XLA."""
    layer, outputs = Dropout(0.3), tf.random.normal((_BATCH, _LENGTH, DECODER))
    return _compiled(lambda: [tf.reduce_sum(layer(outputs, training=True))], jit_compile=True)


PARTS = {
    "the decoder's loop": _loop,
    "the encoder": _encoder,
    "the loss": _loss,
    "the optimizer": _optimizer,
    "dropout under XLA": _dropout,
}


@contextmanager
def _plain() -> Iterator[None]:
    """Use the formulations of Keras and TensorFlow instead of ours."""
    with (
        patch.dict(globals(), Adam=keras.optimizers.Adam, Dropout=keras.layers.Dropout),
        ka.recurrent.plain_gradients(),
    ):
        yield


def _trained(results: Callable[[], tuple[Any, list[Any]]]) -> Run:
    """Compute results and their gradients with respect to the weights."""

    def run() -> list[Any]:
        with tf.GradientTape() as tape:
            values, weights = results()
        return [tf.convert_to_tensor(x) for x in tape.gradient(values, weights)]

    return _compiled(run)


def _compiled(run: Callable[[], Any], jit_compile: bool = False) -> Run:
    """Return a graph, already traced, that runs to completion."""

    @tf.function(autograph=False, jit_compile=jit_compile)
    def graph() -> Any:
        results = run() or [tf.zeros(1)]
        return tf.add_n([tf.reshape(x, [-1])[0] for x in results])

    for _ in range(3):
        graph()
    return lambda: graph().numpy()


if __name__ == "__main__":
    sys.exit(main())
