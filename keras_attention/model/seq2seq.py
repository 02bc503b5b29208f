"""The complete model: source ids in, target logits out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import keras
from keras import ops

from keras_attention.attention import Memory
from keras_attention.dropout import Dropout
from keras_attention.ids import PADDING_ID
from keras_attention.losses.attention import AddCoverageLoss
from keras_attention.memory import check_model
from keras_attention.model.config import Seq2SeqConfig
from keras_attention.model.generation import StepModel
from keras_attention.model.layers import (
    decoder_of,
    dropped,
    embeddings_of,
    encoder_of,
    project,
    read_out,
    readout_of,
)
from keras_attention.parts import parts_config, with_parts_config
from keras_attention.recurrent.bridges import Bridge
from keras_attention.stored import Architecture
from keras_attention.types import Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class Seq2Seq(StepModel, keras.Model):
    """A recurrent encoder-decoder with attention, as a functional Keras model.

    It maps ids `{"source": (B, S), "target": (B, T)}` to logits (B, T, V), float32. The source ends
    with the end token, and the target (the decoder input) starts with the start token; both are
    padded with 0 on the right. Labels are the target without the start and with the end token.

    Args:
        config: The architecture.
        dtype: Dtype policy of all layers, or its name; None for the global one. Logits are always
            float32.

    Raises:
        TypeError: If `config` is not a `Seq2SeqConfig`.

    Example:
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> model = ka.Seq2Seq(
        ...     ka.Seq2SeqConfig(
        ...         source_vocabulary=11,
        ...         target_vocabulary=13,
        ...         embedding_size=4,
        ...         encoder_units=3,
        ...         decoder_units=6,
        ...         attention_units=5,
        ...     )
        ... )
        >>> source, target = np.array([[5, 6, 2]]), np.array([[1, 7]])
        >>> tuple(model({"source": source, "target": target}).shape)
        (1, 2, 13)
        >>> result = model.generate(source, max_length=4)
        >>> result.ids.shape[:2], result.attention.shape[-1]
        ((1, 1), 3)

    Reference: Bahdanau, Cho and Bengio 2015; Luong, Pham and Manning 2015.
    """

    def __init__(self, config: Seq2SeqConfig, dtype: Any = None, **kwargs: Any) -> None:
        if not isinstance(config, Seq2SeqConfig):
            raise TypeError(
                "Argument `config` must be a Seq2SeqConfig, for example Seq2SeqConfig(8000, 8000). "
                f"Received: config={config!r}"
            )
        check_model(config)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        source_embedding, target_embedding = embeddings_of(config, policy)
        encoder, decoder = encoder_of(config, policy), decoder_of(config, policy)
        bridge = Bridge(
            decoder.state_sizes,
            config.bridge,
            states_per_direction=2,  # the encoders are LSTMs
            dtype=policy,
            name="bridge",
        )
        logits = None
        if not config.tie_embeddings:
            logits = keras.layers.Dense(config.target_vocabulary, dtype=policy, name="logits")

        source = keras.Input((None,), dtype="int32", name="source")
        target = keras.Input((None,), dtype="int32", name="target")
        mask = ops.not_equal(source, PADDING_ID)
        encoded, *states = encoder(dropped(source_embedding(source), config, policy), mask=mask)
        memory = encoded
        if config.memory_dropout:
            memory = Dropout(config.memory_dropout, dtype=policy)(encoded)
        attended = {"memory": memory, "memory_mask": mask} if config.attention else {}
        embedded = dropped(target_embedding(target), config, policy)
        start = bridge(states, memory=encoded, memory_mask=mask)
        wants = config.attention is not None
        outputs = decoder(embedded, initial_state=start, return_attention_scores=wants, **attended)
        outputs, weights = outputs if wants else (outputs, None)
        readout = readout_of(config, policy)
        outputs = read_out(outputs, embedded, readout)
        outputs = Dropout(config.dropout, dtype=policy)(outputs)
        results = project(outputs, logits or target_embedding)
        if config.coverage_loss:
            covered = AddCoverageLoss(config.coverage_loss, name="coverage_loss")
            results = covered(results, weights, target)
        # Keras would read this argument before the model has layers, and not freeze them.
        trainable = kwargs.pop("trainable", True)
        super().__init__({"source": source, "target": target}, results, **kwargs)

        self.trainable = bool(trainable)
        self.config = config
        self.source_specs = keras.InputSpec(shape=(None, None), dtype="int32")
        self.source_vocabulary = config.source_vocabulary
        self.target_vocabulary, self.start_id = config.target_vocabulary, config.start_id
        self.has_attention = config.attention is not None
        self.policy = self.dtype_policy = policy  # Keras reads it to decide on loss scaling
        self.source_embedding, self.target_embedding = source_embedding, target_embedding
        self.encoder, self.bridge, self.decoder = encoder, bridge, decoder
        self.readout = readout
        self.logits: Any = logits
        self._attention_weights = weights

    def encode(self, source: Tensor, is_padded: bool = True) -> tuple[Memory | None, list[Tensor]]:
        """Encode the source, once for all decoding steps.

        Args:
            source: Ids (B, S), padded with 0 on the right.
            is_padded: Whether the source may contain padding; False saves the cost of masking.

        Returns:
            The decoder's memory (None without attention) and its initial state, a flat list.
        """
        mask = ops.not_equal(source, PADDING_ID) if is_padded else None
        encoded, *states = self.encoder(
            self.source_embedding(source), mask=mask, training=False, padded_on_one_side=True
        )
        attended = (encoded, mask) if self.config.attention else (None, None)
        memory = self.decoder.prepare(*attended)
        start = self.bridge(states, memory=encoded, memory_mask=mask)
        return memory, self.decoder.initial_state(memory, start)

    def attention_length(self, source: Tensor, memory: Memory | None) -> int | Tensor:
        """The length of the source."""
        return source.shape[1] or ops.shape(source)[1]

    def attention_mask(self, source: Tensor, memory: Memory | None) -> Tensor:
        """The positions of tokens, (B, S)."""
        return ops.not_equal(source, PADDING_ID)

    def decode_step(
        self, tokens: Tensor, state: Sequence[Tensor], memory: Memory | None
    ) -> tuple[Tensor, Tensor | None, list[Tensor]]:
        """Decode one step.

        Args:
            tokens: The previous tokens, (B,).
            state: From `encode` or the previous step.
            memory: From `encode`.

        Returns:
            Log-probabilities (B, V) of the next token, weights (B, S) or None, and the next state.
        """
        embedded = self.target_embedding(tokens)
        output, weights, state = self.decoder.step(embedded, state, memory)
        output = read_out(output, embedded, self.readout)
        logits = project(output, self.logits or self.target_embedding)
        return ops.log_softmax(logits, axis=-1), weights, state

    def with_attention(self) -> keras.Model:
        """The same model, sharing all weights, with the attention weights as a second output.

        Use it for losses on the attention weights; training it trains this model.

        Returns:
            A functional Keras model with the same inputs, whose outputs are a dictionary of
            `"logits"` (B, T, V) and `"attention"` (B, T, S), both float32. Attention at target
            padding is not zeroed.

        Raises:
            ValueError: If the model has no attention.

        Example:
            >>> import numpy as np
            >>> import keras_attention as ka
            >>> model = ka.Seq2Seq(ka.Seq2SeqConfig(source_vocabulary=11, target_vocabulary=13))
            >>> guided = model.with_attention()
            >>> losses = {
            ...     "logits": ka.losses.MaskedCrossEntropy(),
            ...     "attention": ka.losses.GuidedAlignmentLoss(),
            ... }
            >>> guided.compile("adam", losses, loss_weights={"logits": 1.0, "attention": 0.5})
            >>> inputs = {"source": np.array([[5, 6, 2]]), "target": np.array([[1, 7]])}
            >>> alignment = np.array([[[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
            >>> labels = {"logits": np.array([[7, 2]]), "attention": alignment}
            >>> _ = guided.fit(inputs, labels, verbose=0)
        """
        if self._attention_weights is None:
            raise ValueError(
                "`with_attention` needs a model with attention. Received: attention=None"
            )
        attention = ops.cast(self._attention_weights, "float32")
        model = keras.Model(self.input, {"logits": self.output, "attention": attention})
        model.dtype_policy = self.policy
        return model

    def quantize(self, mode: str | None = None, config: Any = None, **kwargs: Any) -> None:
        """Quantize the embeddings and dense layers, as every Keras model does; in place.

        Searches and scores use the quantized weights. LSTM and attention weights stay as they are.

        Args:
            mode: `"int8"`, `"int4"` or `"float8"`.
            config: As in `keras.Model.quantize`.
            **kwargs: As in `keras.Model.quantize`.

        Raises:
            ValueError: If `mode` is unknown, or GPTQ or AWQ, which calibrate a sequence of blocks.
        """
        mode = mode or getattr(config, "mode", None)
        if mode in ("gptq", "awq"):
            raise ValueError(
                "Argument `mode` must be 'int8', 'int4' or 'float8': GPTQ and AWQ calibrate a "
                f"sequence of blocks, which this model does not have. Received: mode={mode!r}"
            )
        super().quantize(mode, **({"config": config} if config else {}), **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        policy = keras.dtype_policies.serialize(self.policy)
        return {
            "name": self.name,
            "trainable": self.trainable,
            "config": asdict(self.config),
            "dtype": policy,
            **parts_config(self),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Seq2Seq:
        """Create a model from the result of `get_config`."""
        own = Seq2SeqConfig(**Architecture.with_current_names(config["config"]))
        return with_parts_config(cls, {**config, "config": own})
