"""This project, as used by its training programs."""

from __future__ import annotations

import sys

import keras
import tensorflow as tf

import keras_attention as ka
from benchmarks.own_model import model_of, search_of
from benchmarks.worker import Run, serve
from benchmarks.workers.tensorflow_training import set_threads, token_ids, training_step
from benchmarks.workloads import DECODER, Case
from training.fitting.optimizer import Adam

STEPS = 10_000


def prepare(case: Case) -> Run:
    """Prepare a training step, or a search."""
    set_threads(case)
    model = model_of(case)
    source, target, labels = token_ids(case)
    if case.task != "train":
        search = search_of(case)
        return lambda: model.generate(source, search, max_length=case.steps)
    compiles = is_advised(case, model) if "--auto" in sys.argv else "--jit-compile" in sys.argv
    model.compile(Adam(1e-3), loss=ka.losses.MaskedCrossEntropy(), jit_compile=compiles)
    return training_step(model, {"source": source, "target": target}, labels)


def is_advised(case: Case, model: ka.Seq2Seq) -> bool:
    """Whether XLA is advised for a long training."""
    policy = model.dtype_policy.name
    return ka.advice.advise(
        units=DECODER, tokens=case.tokens, steps=STEPS, dtype=policy
    ).jit_compile


if __name__ == "__main__":
    serve(prepare, f"keras_attention on TensorFlow {tf.__version__}, Keras {keras.__version__}")
