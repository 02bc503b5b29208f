"""Measure the cost of each attention mechanism: `python -m benchmarks.mechanisms`.

Times the decoder's loop with additive attention, forward and backward (a training step without the
logits), and one decoding step for one sentence. The mechanisms take turns in one process. A ratio
of 1.20x means that a mechanism takes 20 % longer than a plain softmax.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import keras
import tensorflow as tf

import keras_attention as ka
from benchmarks.machine import description

_BATCH, _TARGET, _SOURCE, _FEATURES, _UNITS = 32, 20, 40, 128, 256
Run = Callable[[], object]

MECHANISMS: dict[str, Callable[[], ka.attention.Attention | ka.attention.MultiHead]] = {
    "softmax": lambda: ka.BahdanauAttention(_UNITS),
    "sparsemax": lambda: ka.BahdanauAttention(_UNITS, alignment=ka.alignments.Sparsemax()),
    "hardmax": lambda: ka.BahdanauAttention(_UNITS, alignment=ka.alignments.Hardmax()),
    "monotonic": lambda: ka.BahdanauAttention(_UNITS, alignment=ka.alignments.Monotonic()),
    "monotonic, hard": lambda: ka.BahdanauAttention(
        _UNITS, alignment=ka.alignments.Monotonic("hard")
    ),
    "chunkwise": lambda: ka.BahdanauAttention(
        _UNITS, alignment=ka.alignments.MonotonicChunkwise(4, ka.BahdanauAttention(_UNITS))
    ),
    "local-m": lambda: ka.BahdanauAttention(_UNITS, alignment=ka.alignments.LocalMonotonic()),
    "local-p": lambda: ka.BahdanauAttention(_UNITS, alignment=ka.alignments.LocalPredictive()),
    "location": lambda: ka.BahdanauAttention(_UNITS, past=ka.attention.Location()),
    "coverage": lambda: ka.BahdanauAttention(_UNITS, past=ka.attention.Coverage()),
    "4 heads": lambda: ka.attention.MultiHead(ka.BahdanauAttention(_UNITS // 4), 4),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mechanisms",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--turns", type=int, default=20, help="turns of each (20)")
    options = parser.parse_args(arguments)
    runs = {name: (_training(make), _decoding(make)) for name, make in MECHANISMS.items()}
    seconds = [_in_turns({n: run[i] for n, run in runs.items()}, options.turns) for i in (0, 1)]
    print("| mechanism | training ms | | decoding ms | |\n|---|---|---|---|---|")
    for name in runs:
        columns = [
            f"{1e3 * median(own[name]):.2f} | {_ratio(own[name], own['softmax']):.2f}x"
            for own in seconds
        ]
        print(f"| {name} | {' | '.join(columns)} |")
    print(f"\n{description()} TensorFlow {tf.__version__}, Keras {keras.__version__}.")
    return 0


def _in_turns(runs: dict[str, Run], turns: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(turns):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def _ratio(own: Sequence[float], plain: Sequence[float]) -> float:
    return median(one / other for one, other in zip(own, plain, strict=True))


def _decoder(make: Callable[[], Any]) -> ka.AttentionDecoder:
    decoder = ka.AttentionDecoder(keras.layers.LSTMCell(_UNITS), make())
    decoder.build((None, None, _FEATURES), (None, None, _UNITS))
    return decoder


def _training(make: Callable[[], Any]) -> Run:
    """Run all steps of a target, and compute the gradient of every weight."""
    decoder = _decoder(make)
    inputs = tf.random.normal((_BATCH, _TARGET, _FEATURES))
    memory = tf.random.normal((_BATCH, _SOURCE, _UNITS))

    @tf.function(autograph=False)
    def run() -> Any:
        with tf.GradientTape() as tape:
            outputs = decoder(inputs, memory=memory, training=True)
        found = tape.gradient(outputs, decoder.trainable_variables)
        return tf.add_n([tf.reshape(x, [-1])[0] for x in found if x is not None])

    return _warm(run)


def _decoding(make: Callable[[], Any]) -> Run:
    """Run one step for one sentence."""
    decoder = _decoder(make)
    memory = decoder.prepare(tf.random.normal((1, _SOURCE, _UNITS)))
    inputs, state = tf.random.normal((1, _FEATURES)), decoder.initial_state(memory)

    @tf.function(autograph=False)
    def run() -> Any:
        return decoder.step(inputs, state, memory)[0]

    return _warm(run)


def _warm(run: Callable[[], Any]) -> Run:
    for _ in range(3):
        run()
    return lambda: run().numpy()


if __name__ == "__main__":
    sys.exit(main())
