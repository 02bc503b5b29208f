"""Measure the memory of attention over whole sequences: `python -m benchmarks.memory`.

Runs self-attention with the additive score, forward and with gradients, each in a separate process:
this project's `BahdanauAttention`, and Keras's `AdditiveAttention` after two `Dense` projections,
which is equivalent. Reports the peak memory of the process (`ru_maxrss`) above its memory just
before the run, when weights and inputs exist and the same graph has run once on sequences of 2, so
that TensorFlow's start does not count. Both sides must have the same results. Keras is skipped
above `--keras-up-to`, where it takes gigabytes; a process that the system kills has no result.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.machine import description

TASKS = ("forward", "training")
_LENGTHS = (125, 250, 500, 1000)


class Sizes(NamedTuple):
    """The sizes: B sequences of D features, with U attention units."""

    batch: int
    features: int
    units: int


class Peak(NamedTuple):
    """The result of a run.

    Attributes:
        megabytes: The peak memory above that before the run.
        total: The sum over all results, which must be equal on both sides.
    """

    megabytes: float
    total: float


def measured(side: str, task: str, length: int, sizes: Sizes) -> Peak | None:
    """Measure one side in a separate process; return None if it was killed."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.memory",
            "--worker",
            side,
            task,
            str(length),
            *map(str, sizes),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
    )
    if done.returncode < 0:
        return None
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return Peak(**json.loads(done.stdout.splitlines()[-1]))


def work(side: str, task: str, length: int, sizes: Sizes) -> Peak:
    """Measure one side in this process."""
    run = _layer(side, task, sizes)
    inputs, few = (_inputs(sizes, size) for size in (length, 2))
    run(few)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    before = pages * resource.getpagesize() / 2**20
    total = float(run(inputs))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Peak(most - before, total)


def _layer(side: str, task: str, sizes: Sizes) -> Callable[[Any], Any]:
    """Return a graph of the layer, from inputs (B, S, D) to one number."""
    import keras
    import tensorflow as tf

    import keras_attention as ka

    keras.utils.set_random_seed(1)
    query, value = (keras.layers.Dense(sizes.units, use_bias=False) for _ in range(2))
    theirs, ours = keras.layers.AdditiveAttention(), ka.BahdanauAttention(sizes.units)
    shape = (sizes.batch, 2, sizes.features)
    for dense in (query, value):
        dense.build(shape)
    theirs.build([(*shape[:2], sizes.units)] * 3)
    ours.build(shape, shape)
    names = {"query_kernel": query.kernel, "key_kernel": value.kernel, "v": theirs.scale}
    for name, weight in names.items():
        getattr(ours, name).assign(weight)

    def attended(x: Any) -> Any:
        return ours(x, x) if side == "ours" else theirs([query(x), x, value(x)])

    weights = (
        ours.trainable_variables if side == "ours" else [query.kernel, value.kernel, theirs.scale]
    )

    def run(x: Any) -> Any:
        if task == "forward":
            return tf.reduce_sum(attended(x))
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.square(attended(x)))
        gradients = tape.gradient(loss, [x, *(weight.value for weight in weights)])
        return loss + tf.add_n([tf.reduce_sum(tf.abs(g)) for g in gradients])

    spec = tf.TensorSpec((sizes.batch, None, sizes.features))
    return tf.function(run, input_signature=[spec], autograph=False)


def _inputs(sizes: Sizes, length: int) -> Any:
    import tensorflow as tf

    return tf.random.stateless_normal((sizes.batch, length, sizes.features), seed=(1, 2))


def table(lengths: Sequence[int], longest: int, sizes: Sizes) -> list[str]:
    """Measure both sides at each length, Keras up to `longest`, and print the rows as they come."""
    rows = [
        "| S = T | task | ours MB | Keras MB | Keras takes | (B, T, S, U) MB |",
        "|---|---|---|---|---|---|",
    ]
    print("\n".join(rows), flush=True)
    for length in lengths:
        hidden = 4 * sizes.batch * length**2 * sizes.units / 2**20
        for task in TASKS:
            ours = measured("ours", task, length, sizes)
            theirs = measured("Keras", task, length, sizes) if length <= longest else None
            if ours and theirs and abs(ours.total - theirs.total) > 1e-3 * abs(theirs.total):
                raise RuntimeError(f"The sides differ: {ours.total}, {theirs.total}")
            cells = [f"{x.megabytes:,.0f}" if x else "-" for x in (ours, theirs)]
            ratio = f"{theirs.megabytes / ours.megabytes:.1f}x" if ours and theirs else ""
            rows.append(f"| {length} | {task} | {' | '.join(cells)} | {ratio} | {hidden:,.0f} |")
            print(rows[-1], flush=True)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--lengths", type=int, nargs="+", default=_LENGTHS, help="S = T")
    parser.add_argument("--keras-up-to", type=int, default=500, metavar="S", help="(%(default)s)")
    parser.add_argument("--batch", type=int, default=4, help="number of sequences (%(default)s)")
    parser.add_argument("--features", type=int, default=256, help="input features (%(default)s)")
    parser.add_argument("--units", type=int, default=256, help="U (%(default)s)")
    parser.add_argument("--worker", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        side, task, length, *rest = options.worker
        print(json.dumps(work(side, task, int(length), Sizes(*map(int, rest)))._asdict()))
        return 0
    table(
        options.lengths, options.keras_up_to, Sizes(options.batch, options.features, options.units)
    )
    print(f"\nB = {options.batch}, D = {options.features}, U = {options.units}. {description()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
