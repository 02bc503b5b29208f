"""This project, as its training programs use it."""

from __future__ import annotations

import sys

import keras
import tensorflow as tf

import keras_attention as ka
from benchmarks.worker import Run, serve
from benchmarks.workers.tensorflow_training import set_threads, token_ids, training_step
from benchmarks.workloads import BEAM, DECODED_STEPS, DECODER, EMBEDDING, ENCODER, END, Case
from training.optimizer import Adam


def prepare(case: Case) -> Run:
    """A training step, or a search."""
    set_threads(case)
    model = ka.Seq2Seq(
        ka.Seq2SeqConfig(
            source_vocabulary=case.vocabulary,
            target_vocabulary=case.vocabulary,
            embedding_size=EMBEDDING,
            encoder_units=ENCODER,
            decoder_units=DECODER,
            attention="bahdanau" if case.model == "W1" else "luong",
            attention_units=DECODER,
            query="current",
            input_feeding=case.model == "W1",
            attention_layer_units=DECODER,
        ),
        dtype={"float32": "float32", "bfloat16": "mixed_bfloat16"}[case.precision],
    )
    source, target, labels = token_ids(case)
    if case.task == "train":
        compiles = "--jit-compile" in sys.argv
        model.compile(Adam(1e-3), loss=ka.MaskedCrossEntropy(), jit_compile=compiles)
        return training_step(model, {"source": source, "target": target}, labels)

    bias = model.logits.bias.numpy()
    bias[END] = -1e9  # no hypothesis ends
    model.logits.bias.assign(bias)
    search = ka.GreedySearch() if case.task == "greedy" else ka.BeamSearch(BEAM)
    return lambda: model.generate(source, search, max_length=DECODED_STEPS)


if __name__ == "__main__":
    serve(prepare, f"keras_attention on TensorFlow {tf.__version__}, Keras {keras.__version__}")
