"""Benchmark training and search on a GPU, or any device of the backend: `python -m benchmarks.gpu`.

Runs training steps and searches under XLA, and compares them with the peak of the device: a large
matrix product and a pass over a large array, measured in the same run. `KERAS_BACKEND` selects JAX
or TensorFlow; the other one need not be installed.

The speed of a training step is the rate of its matrix products, as a share of that of the large
product. A step of a search has to read all weights of the decoder; its speed is the rate of these
reads, as a share of that of the large array.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import product
from statistics import median
from typing import Any

import keras
import numpy as np
from keras import ops

import keras_attention as ka
from benchmarks.own_model import model_of, search_of
from benchmarks.workloads import DECODED_STEPS, PRECISIONS, SEARCHES, Case, Model, products

_CHAIN, _REPEATS = 10, 5
_MODELS: tuple[Model, ...] = ("W1", "W2")
_LENGTHS = (15, 30)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function with XLA."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)


def device() -> str:
    """Return the name of the device, with the versions of Keras and the backend."""
    name = keras.backend.backend()
    if name == "jax":
        import jax

        return f"{jax.devices()[0].device_kind}, Keras {keras.__version__} on JAX {jax.__version__}"
    import tensorflow as tf

    kind = "CPU"
    for gpu in tf.config.list_physical_devices("GPU"):
        kind = tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
    return f"{kind}, Keras {keras.__version__} on TensorFlow {tf.__version__}"


def seconds(run: Callable[[], Any]) -> float:
    """Return the median time of several runs, after one that compiles; `run` returns a tensor."""
    times = []
    for _ in range(1 + _REPEATS):
        began = time.perf_counter()
        ops.convert_to_numpy(run())
        times.append(time.perf_counter() - began)
    return median(times[1:])


def product_pace(size: int, precision: str) -> float:
    """Measure the floating-point operations per second of matrix products."""
    matrix = ops.ones((size, size), precision) / size

    @compiled
    def chain(x: Any) -> Any:
        for _ in range(_CHAIN):
            x = ops.matmul(x, matrix)
        return ops.cast(ops.max(x), "float32")

    return _CHAIN * 2 * size**3 / seconds(lambda: chain(matrix))


def array_pace(megabytes: int) -> float:
    """Measure the bytes per second that an addition reads and writes."""
    array = ops.ones((megabytes * 250_000,))
    add = compiled(lambda x: x + 1.0)
    return 2 * 4 * array.shape[0] / seconds(lambda: add(array)[0])


def training_seconds(case: Case, steps: int) -> float:
    """Measure one step of `fit`."""
    model = model_of(case)
    model.compile(
        keras.optimizers.Adam(1e-3), loss=ka.losses.MaskedCrossEntropy(), jit_compile=True
    )
    shape = (3, steps * case.batch, case.length)
    source, target, labels = np.random.default_rng(0).integers(4, case.vocabulary, shape, "int32")

    def fit() -> Any:
        inputs = {"source": source, "target": target}
        found = model.fit(inputs, labels, batch_size=case.batch, verbose=0, shuffle=False)
        return np.array(found.history["loss"])

    return seconds(fit) / steps


def search_seconds(case: Case) -> tuple[float, int]:
    """Measure one step of a search; also return the size in bytes of the weights that it reads."""
    model = model_of(case)
    shape = (case.batch, case.length)
    source = np.random.default_rng(0).integers(4, case.vocabulary, shape, "int32")
    run = compiled(lambda ids: model.search(ids, search_of(case), DECODED_STEPS).ids)
    read = (*model.decoder.weights, *model.logits.weights)
    size = sum(int(np.prod(weight.shape)) for weight in read)
    size *= 2 if case.precision == "bfloat16" else 4
    ids = ops.convert_to_tensor(source)
    return seconds(lambda: run(ids)) / DECODED_STEPS, size


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=256, help="batch size of training and search")
    parser.add_argument("--steps", type=int, default=50, help="training steps, timed together")
    parser.add_argument("--matrix", type=int, default=8192, help="rows of the large product")
    parser.add_argument("--array", type=int, default=1000, help="megabytes of the large array")
    options = parser.parse_args()
    print(f"{device()}.\n")
    bytes_a_second = array_pace(options.array)
    print(f"- an addition reads and writes {bytes_a_second / 1e9:,.0f} GB/s")
    pace = {name: product_pace(options.matrix, name) for name in PRECISIONS}
    for precision, found in pace.items():
        print(f"- a product in {precision}: {found / 1e12:,.2f} TFLOP/s")
    print("\n| case | ms | target tokens/s | of what the device can do |\n|---|---|---|---|")
    for model, length, precision in product(_MODELS, _LENGTHS, PRECISIONS):
        case = Case(model, "train", length, options.batch, precision)
        needed = training_seconds(case, options.steps)
        work = 3 * sum(2 * p.rows * p.inner * p.columns * p.times for p in products(case))
        share = f"{work / needed / pace[precision]:.0%} of the product's pace"
        print(f"| {case.name} | {1e3 * needed:.2f} | {case.tokens / needed:,.0f} | {share} |")
    for task, batch, precision in product(SEARCHES, (1, options.batch), PRECISIONS):
        case = Case("W1", task, batch=batch, precision=precision)
        needed, size = search_seconds(case)
        share = f"{size / needed / bytes_a_second:.0%} of the array's pace"
        print(f"| {case.name}, a step | {1e3 * needed:.3f} | {batch / needed:,.0f} | {share} |")


if __name__ == "__main__":
    main()
