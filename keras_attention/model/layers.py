"""Build a model's layers from its configuration."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_attention.attention import (
    Attention,
    AttentionLayer,
    BahdanauAttention,
    LuongAttention,
    MultiHead,
)
from keras_attention.attention.registry import ALIGNMENTS, PASTS
from keras_attention.cells.layer_norm import LayerNormLSTMCell
from keras_attention.cells.residual import ResidualCell
from keras_attention.dropout import Dropout
from keras_attention.model.config import Seq2SeqConfig
from keras_attention.model.maxout import Maxout
from keras_attention.model.reversible_embedding import REVERSIBLE_EMBEDDING
from keras_attention.recurrent.decoder import AttentionDecoder
from keras_attention.recurrent.encoders import BiLSTMEncoder, LSTMEncoder
from keras_attention.recurrent.query_times import QUERY_TIMES, Query
from keras_attention.stored import DecoderCell
from keras_attention.types import Tensor

CELLS: dict[DecoderCell, type[keras.layers.Layer]] = {
    "lstm": keras.layers.LSTMCell,
    "gru": keras.layers.GRUCell,
    "ln-lstm": LayerNormLSTMCell,
}


def embeddings_of(config: Seq2SeqConfig, policy: Any) -> tuple[Any, Any]:
    """The source and target embeddings; one layer if they are tied.

    They are initialized from N(0, 0.1^2). Keras's default is three times smaller, and the encoder
    would learn next to nothing for hundreds of steps.
    """

    def embedding(name: str, vocabulary: int, tied: bool) -> keras.layers.Layer:
        kind = REVERSIBLE_EMBEDDING if tied else keras.layers.Embedding
        start = keras.initializers.RandomNormal(stddev=0.1)
        size = config.embedding_size
        return kind(vocabulary, size, embeddings_initializer=start, dtype=policy, name=name)

    if config.tie_embeddings == "all":
        return (embedding("embedding", config.target_vocabulary, tied=True),) * 2
    return (
        embedding("source_embedding", config.source_vocabulary, tied=False),
        embedding("target_embedding", config.target_vocabulary, config.tie_embeddings == "output"),
    )


def dropped(embedded: Tensor, config: Seq2SeqConfig, policy: Any) -> Tensor:
    """Embeddings (B, L, D) after word dropout, if any, and feature dropout."""
    rate = config.dropout if config.embedding_dropout is None else config.embedding_dropout
    if config.word_dropout:
        words = Dropout(config.word_dropout, noise_shape=(None, None, 1), dtype=policy)
        embedded = words(embedded)
    return Dropout(rate, dtype=policy)(embedded)


def project(outputs: Tensor, layer: keras.layers.Layer) -> Tensor:
    """Logits in float32, from a dense layer or from tied embeddings."""
    tied = {"reverse": True} if isinstance(layer, REVERSIBLE_EMBEDDING) else {}
    return ops.cast(layer(outputs, **tied), "float32")


def encoder_of(config: Seq2SeqConfig, policy: Any) -> keras.layers.Layer:
    """The encoder."""
    encoder = BiLSTMEncoder if config.encoder == "bilstm" else LSTMEncoder
    return encoder(
        config.encoder_units,
        config.encoder_layers,
        dropout=config.dropout,
        recurrent_dropout=config.recurrent_dropout,
        residual=config.residual,
        dtype=policy,
        name="encoder",
    )


def decoder_of(config: Seq2SeqConfig, policy: Any) -> AttentionDecoder:
    """The decoder, including its attention."""
    layer = None
    if config.attention_layer_units is not None:
        layer = keras.layers.Dense(
            config.attention_layer_units,
            activation="tanh",
            use_bias=False,
            dtype=policy,
            name="attention_layer",
        )
    return AttentionDecoder(
        _cells(config, policy),
        _attention(config, policy),
        query=_query(config),
        input_feeding=config.input_feeding,
        attention_layer=layer,
        dtype=policy,
        name="decoder",
    )


def _query(config: Seq2SeqConfig) -> Query:
    return config.query or ("previous" if config.attention == "bahdanau" else "current")


def _cells(config: Seq2SeqConfig, policy: Any) -> list[keras.layers.Layer]:
    """The decoder's cells: one per layer, or two for the lowest if attention is between them.

    Dropout applies between layers; the first layer reads embeddings, which have their own.
    """
    kind = CELLS[config.decoder_cell]
    transitions = QUERY_TIMES[_query(config)].transitions
    cells = [
        kind(
            config.decoder_units,
            dropout=config.dropout if i >= transitions else 0.0,
            recurrent_dropout=config.recurrent_dropout,
            dtype=policy,
        )
        for i in range(config.decoder_layers + transitions - 1)
    ]
    if config.residual:
        above = cells[transitions:]
        cells[transitions:] = [ResidualCell(cell, dtype=policy) for cell in above]
    return cells


def readout_of(config: Seq2SeqConfig, policy: Any) -> keras.layers.Layer | None:
    """The layer between decoder and logits, or None."""
    units = config.readout_units or config.embedding_size
    if config.readout == "maxout":
        return Maxout(units, dtype=policy, name="readout")
    if config.readout == "tanh":
        return keras.layers.Dense(units, activation="tanh", dtype=policy, name="readout")
    return None


def read_out(outputs: Tensor, embedded: Tensor, layer: keras.layers.Layer | None) -> Tensor:
    """Deep output: apply a layer to the decoder outputs concatenated with target embeddings."""
    return outputs if layer is None else layer(ops.concatenate([outputs, embedded], axis=-1))


def _attention(config: Seq2SeqConfig, policy: Any) -> AttentionLayer | None:
    if config.attention is None:
        return None
    options = dict(config.alignment_options)
    if config.alignment == "mocha":
        options.setdefault("chunk_attention", _score(config, policy, name="chunk_attention"))
    past = None
    if config.past is not None:
        past = PASTS[config.past](**config.past_options, dtype=policy, name="past")
    attention = _score(
        config,
        policy,
        name="attention",
        alignment=ALIGNMENTS[config.alignment](**options, dtype=policy, name="alignment"),
        past=past,
        dropout=config.attention_dropout,
    )
    if config.num_heads == 1 and config.head_size is None:
        return attention
    return MultiHead(attention, config.num_heads, config.head_size, dtype=policy, name="attention")


def _score(config: Seq2SeqConfig, policy: Any, **options: Any) -> Attention:
    """An attention layer with the configured score."""
    options["dtype"] = policy
    if config.attention == "bahdanau":
        return BahdanauAttention(config.attention_units, normalize=config.normalize, **options)
    units = config.attention_units if config.score == "concat" else None
    return LuongAttention(config.score, units=units, scale=config.scale, **options)
