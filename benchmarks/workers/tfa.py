"""`tfa.seq2seq` 0.23, the last release, on TensorFlow 2.15."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

from benchmarks.worker import Run, serve
from benchmarks.workers.tensorflow_training import set_threads, token_ids
from benchmarks.workloads import BEAM, DECODER, EMBEDDING, ENCODER, END, START, Case

Tensors = list[tf.Tensor]


class Model(tf.keras.Model):
    """The model of the workload, with layers of Keras 2 and TensorFlow Addons."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        layers, seq2seq = tf.keras.layers, tfa.seq2seq
        self.source_embedding = layers.Embedding(case.vocabulary, EMBEDDING)
        self.target_embedding = layers.Embedding(case.vocabulary, EMBEDDING)
        lstm = layers.LSTM(ENCODER, return_sequences=True, return_state=True)
        self.encoder = layers.Bidirectional(lstm)
        self.bridges = [layers.Dense(DECODER, activation="tanh") for _ in range(2)]
        self.cell = layers.LSTMCell(DECODER)
        self.logits = layers.Dense(case.vocabulary)
        self.combine = layers.Dense(DECODER, activation="tanh", use_bias=False)
        self.feeds_back = case.model == "W1"
        if self.feeds_back:
            self.attention = seq2seq.BahdanauAttention(DECODER)
            self.wrapped = seq2seq.AttentionWrapper(
                self.cell, self.attention, attention_layer=self.combine
            )
            sampler = seq2seq.sampler.TrainingSampler()
            self.decoder = seq2seq.BasicDecoder(self.wrapped, sampler)
        else:
            self.attention = seq2seq.LuongAttention(DECODER)
            self.recurrent = layers.RNN(self.cell, return_sequences=True)

    def encode(self, source: tf.Tensor) -> tuple[tf.Tensor, Tensors]:
        """Return the encoder outputs and the initial state of the decoder."""
        encoded, *states = self.encoder(self.source_embedding(source))
        pairs = [tf.concat(states[i::2], 1) for i in range(2)]
        return encoded, [bridge(pair) for bridge, pair in zip(self.bridges, pairs, strict=True)]

    def call(self, inputs: Tensors) -> tf.Tensor:
        """Return logits (B, T, V)."""
        source, target = inputs
        encoded, states = self.encode(source)
        embedded = self.target_embedding(target)
        self.attention.setup_memory(encoded)
        if not self.feeds_back:
            return self.logits(self._attended(self.recurrent(embedded, initial_state=states)))
        state = self._initial(tf.shape(source)[0], states)
        lengths = tf.fill([tf.shape(target)[0]], tf.shape(target)[1])
        output, _, _ = self.decoder(embedded, initial_state=state, sequence_length=lengths)
        return self.logits(output.rnn_output)

    def _attended(self, outputs: tf.Tensor) -> tf.Tensor:
        """Apply Luong's attention to all steps at once."""
        scores = tf.matmul(outputs, self.attention.keys, transpose_b=True)
        context = tf.matmul(tf.nn.softmax(scores), self.attention.values)
        return self.combine(tf.concat([outputs, context], -1))

    def _initial(self, batch: Any, states: Tensors) -> Any:
        zeros = self.wrapped.get_initial_state(batch_size=batch, dtype=tf.float32)
        return zeros.clone(cell_state=states)

    def search(self, source: tf.Tensor, beam: bool, steps: int) -> tf.Tensor:
        """Return the tokens found in a fixed number of steps."""
        encoded, states = self.encode(source)
        batch = tf.shape(source)[0]
        starts, options = tf.fill([batch], START), {"maximum_iterations": steps}
        if not beam:
            self.attention.setup_memory(encoded)
            greedy = tfa.seq2seq.BasicDecoder(
                self.wrapped,
                tfa.seq2seq.GreedyEmbeddingSampler(self.target_embedding),
                self.logits,
                **options,
            )
            state = self._initial(batch, states)
            output, _, _ = greedy(None, start_tokens=starts, end_token=END, initial_state=state)
            return output.sample_id
        self.attention.setup_memory(tfa.seq2seq.tile_batch(encoded, BEAM))
        tiled = [tfa.seq2seq.tile_batch(state, BEAM) for state in states]
        decoder = tfa.seq2seq.BeamSearchDecoder(
            self.wrapped, BEAM, self.target_embedding, self.logits, **options
        )
        state = self._initial(batch * BEAM, tiled)
        output, _, _ = decoder(None, start_tokens=starts, end_token=END, initial_state=state)
        return output.predicted_ids


def prepare(case: Case) -> Run:
    """Prepare a training step, or a search."""
    set_threads(case)
    if case.precision == "bfloat16":
        raise ValueError("tfa.seq2seq does not support mixed precision.")
    model = Model(case)
    source, target, labels = (tf.constant(x) for x in token_ids(case))
    if case.task == "train":
        optimizer = tf.keras.optimizers.legacy.Adam(1e-3)  # one fused kernel, the fastest

        @tf.function(reduce_retracing=True)
        def step(source: tf.Tensor, target: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                logits = model([source, target])
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
                loss = tf.reduce_mean(losses)
            weights = model.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return loss

        return lambda: float(step(source, target, labels))

    model([source, target])
    bias = np.zeros(case.vocabulary, "float32")
    bias[END] = -1e9  # no hypothesis ends
    model.logits.bias.assign(bias)
    search = tf.function(lambda source: model.search(source, case.task == "beam", case.steps))
    return lambda: search(source).numpy()


if __name__ == "__main__":
    serve(prepare, f"tfa.seq2seq {tfa.__version__} on TensorFlow {tf.__version__}")
