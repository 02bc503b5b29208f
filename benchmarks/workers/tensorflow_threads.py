"""What the workers on TensorFlow share."""

from __future__ import annotations

import tensorflow as tf

from benchmarks.workloads import Case


def set_threads(case: Case) -> None:
    """Compute with as many threads as the case says; else as TensorFlow sees fit, the fastest."""
    if case.threads:
        tf.config.threading.set_intra_op_parallelism_threads(case.threads)
        tf.config.threading.set_inter_op_parallelism_threads(case.threads)
