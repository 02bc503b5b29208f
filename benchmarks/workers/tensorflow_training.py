"""What the workers on TensorFlow share: threads, tokens, and a training step of Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.worker import Run
from benchmarks.workloads import Case


def set_threads(case: Case) -> None:
    """Compute with as many threads as the case says; else as TensorFlow sees fit, the fastest."""
    if case.threads:
        tf.config.threading.set_intra_op_parallelism_threads(case.threads)
        tf.config.threading.set_inter_op_parallelism_threads(case.threads)


def token_ids(case: Case) -> np.ndarray:
    """Sources, targets, and what follows these: ids (3, B, T) of ordinary tokens."""
    shape = (3, case.batch, case.length)
    return np.random.default_rng(0).integers(4, case.vocabulary, shape, "int32")


def training_step(model: Any, inputs: Any, labels: np.ndarray) -> Run:
    """A step of a compiled Keras 3 model, as `fit` runs it."""
    batches = iter(tf.data.Dataset.from_tensors((inputs, labels)).repeat())
    step = model.make_train_function() or model.train_function
    return lambda: float(step(batches)["loss"])
