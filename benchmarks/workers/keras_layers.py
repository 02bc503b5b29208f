"""Keras's own layers, which support attention only after the recurrence."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers

from benchmarks.worker import Run, serve
from benchmarks.workers.tensorflow_training import set_threads, token_ids, training_step
from benchmarks.workloads import DECODER, EMBEDDING, ENCODER, Case


def model_of(case: Case) -> keras.Model:
    """Return the model of workload W2."""
    source, target = (keras.Input((None,), dtype="int32") for _ in range(2))
    embedded, known = (layers.Embedding(case.vocabulary, EMBEDDING)(x) for x in (source, target))
    lstm = layers.LSTM(ENCODER, return_sequences=True, return_state=True)
    encoded, *ends = layers.Bidirectional(lstm)(embedded)
    pairs = [layers.Concatenate()(ends[i::2]) for i in range(2)]
    states = [layers.Dense(DECODER, activation="tanh")(pair) for pair in pairs]
    outputs = layers.LSTM(DECODER, return_sequences=True)(known, initial_state=states)
    keys = layers.Dense(DECODER, use_bias=False)(encoded)  # Luong's general score
    context = layers.Attention()([outputs, encoded, keys])
    combined = layers.Concatenate()([outputs, context])
    logits = layers.Dense(case.vocabulary)(layers.Dense(DECODER, activation="tanh")(combined))
    return keras.Model([source, target], logits)


def prepare(case: Case) -> Run:
    """Prepare a training step."""
    if case.model != "W2" or case.task != "train":
        raise ValueError("Keras supports neither attention in a recurrent loop nor searches.")
    set_threads(case)
    if case.precision == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    model = model_of(case)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss=loss)
    source, target, labels = token_ids(case)
    return training_step(model, (source, target), labels)


if __name__ == "__main__":
    serve(prepare, f"Keras {keras.__version__} on TensorFlow {tf.__version__}")
