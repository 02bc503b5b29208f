"""Only the matrix products of a training step, by TensorFlow's oneDNN, as a lower bound."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from benchmarks.worker import Run, serve
from benchmarks.workers.tensorflow_training import set_threads
from benchmarks.workloads import Case, Product, products


def prepare(case: Case) -> Run:
    """Prepare all products and their gradients; weights have one gradient product for all steps."""
    set_threads(case)
    dtype = tf.dtypes.as_dtype(case.precision)
    parts = [_part(product, dtype) for product in products(case)]

    @tf.function(autograph=False)
    def run() -> tf.Tensor:
        return tf.add_n([tf.cast(y[0, 0], "float32") for part in parts for y in part()])

    return lambda: run().numpy()


def _part(product: Product, dtype: tf.DType) -> Callable[[], list[tf.Tensor]]:
    shape = (product.times, product.rows, product.inner)
    inputs = [tf.random.normal(x, dtype=dtype) for x in (shape, (*shape[:2], product.columns))]
    kernel = tf.random.normal((product.inner, product.columns), dtype=dtype)

    def run() -> list[tf.Tensor]:
        xs, dys = (tf.unstack(x) for x in inputs)
        every = [tf.reshape(x, (-1, x.shape[-1])) for x in inputs]
        forward = [tf.matmul(x, kernel) for x in xs]
        backward = [tf.matmul(dy, kernel, transpose_b=True) for dy in dys]
        return [*forward, *backward, tf.matmul(*every, transpose_a=True)]

    return run


if __name__ == "__main__":
    serve(prepare, f"TensorFlow {tf.__version__}")
