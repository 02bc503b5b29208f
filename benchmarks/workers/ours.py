"""This project, as used by its training programs."""

from __future__ import annotations

import sys

import keras
import tensorflow as tf

import keras_attention as ka
from benchmarks.own_model import POLICIES, model_of, search_of
from benchmarks.worker import Run, serve
from benchmarks.workers.tensorflow_training import set_threads, token_ids, training_step
from benchmarks.workloads import DECODER, Case
from training.fitting.optimizer import Adam

STEPS = 10_000


def prepare(case: Case) -> Run:
    """Prepare a training step, or a search."""
    set_threads(case)
    policy, compiles = _chosen(case)
    model = model_of(case, policy)
    source, target, labels = token_ids(case)
    if case.task != "train":
        search = search_of(case)
        return lambda: model.generate(source, search, max_length=case.steps)
    model.compile(Adam(1e-3), loss=ka.losses.MaskedCrossEntropy(), jit_compile=compiles)
    return training_step(model, {"source": source, "target": target}, labels)


def _chosen(case: Case) -> tuple[str, bool]:
    """The dtype policy, and whether XLA compiles; as advised for a long training, if asked for."""
    policy = POLICIES[case.precision]
    if "--auto" not in sys.argv:
        return policy, "--jit-compile" in sys.argv
    dtype = None if "--any-precision" in sys.argv else policy
    advice = ka.advice.advise(units=DECODER, tokens=case.tokens, steps=STEPS, dtype=dtype)
    return advice.dtype, advice.jit_compile


if __name__ == "__main__":
    serve(prepare, f"keras_attention on TensorFlow {tf.__version__}, Keras {keras.__version__}")
