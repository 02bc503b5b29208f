"""What the workers on TensorFlow share."""

from __future__ import annotations

import tensorflow as tf

from benchmarks.worker import threads_of
from benchmarks.workloads import Case


def set_threads(case: Case) -> None:
    """Compute with as many threads as the case says, one operation after the other."""
    tf.config.threading.set_intra_op_parallelism_threads(threads_of(case))
    tf.config.threading.set_inter_op_parallelism_threads(1)
