"""Code shared by the workers on TensorFlow: threads, tokens, and a Keras training step."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.worker import Run
from benchmarks.workloads import Case


def set_threads(case: Case) -> None:
    """Set the number of threads; by default keep TensorFlow's own choice, which is the fastest."""
    if case.threads:
        tf.config.threading.set_intra_op_parallelism_threads(case.threads)
        tf.config.threading.set_inter_op_parallelism_threads(case.threads)


def token_ids(case: Case) -> np.ndarray:
    """Return the ids of sources, targets and labels, (3, B, T), all ordinary tokens."""
    shape = (3, case.batch, case.length)
    return np.random.default_rng(0).integers(4, case.vocabulary, shape, "int32")


def training_step(model: Any, inputs: Any, labels: np.ndarray) -> Run:
    """Return a training step of a compiled Keras 3 model, as run by `fit`."""
    batches = iter(tf.data.Dataset.from_tensors((inputs, labels)).repeat())
    step = model.make_train_function() or model.train_function
    return lambda: float(step(batches)["loss"])
