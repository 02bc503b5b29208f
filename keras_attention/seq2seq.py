"""The whole model: source ids in, target logits out, and the search for the best target."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_attention.attention import Memory
from keras_attention.attention_losses import AddCoverageLoss
from keras_attention.backend import compiled
from keras_attention.bridges import Bridge
from keras_attention.checks import check_finite, check_positive, checked_ids
from keras_attention.config import Seq2SeqConfig
from keras_attention.decoding import (
    BeamSearch,
    GreedySearch,
    Hypotheses,
    TargetScores,
    forced_decoding,
)
from keras_attention.decoding.beam import repeat_rows
from keras_attention.ids import END_ID, PADDING_ID
from keras_attention.parts import decoder_of, dropped, embeddings_of, encoder_of, project
from keras_attention.recurrence import state_sizes
from keras_attention.types import Tensor

Search = GreedySearch | BeamSearch


@keras.saving.register_keras_serializable(package="keras_attention")
class Seq2Seq(keras.Model):
    """A recurrent encoder-decoder with attention, as a functional Keras model.

    `{"source": (B, S), "target": (B, T)}` ids to logits (B, T, V), float32. The source ends with
    the end token, the target (the decoder's input) starts with the start token; both are padded
    with 0 on the right. Labels are the target without start and with end token.

    Args:
        config: The architecture.
        dtype: Keras's dtype policy of all layers, or its name; None for the global one. Logits are
            float32 under each.

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
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        source_embedding, target_embedding = embeddings_of(config, policy)
        encoder, decoder = encoder_of(config, policy), decoder_of(config, policy)
        sizes = [state_sizes(cell) for cell in decoder.cells]
        bridge = Bridge(sizes, config.bridge, dtype=policy, name="bridge")
        logits = None
        if not config.tie_embeddings:
            logits = keras.layers.Dense(config.target_vocabulary, dtype=policy, name="logits")

        source = keras.Input((None,), dtype="int32", name="source")
        target = keras.Input((None,), dtype="int32", name="target")
        mask = ops.not_equal(source, PADDING_ID)
        encoded, *states = encoder(dropped(source_embedding(source), config, policy), mask=mask)
        attended = {"memory": encoded, "memory_mask": mask} if config.attention else {}
        outputs = decoder(
            dropped(target_embedding(target), config, policy),
            initial_state=bridge(states),
            return_attention_scores=config.attention is not None,
            **attended,
        )
        outputs, weights = outputs if config.attention else (outputs, None)
        outputs = keras.layers.Dropout(config.dropout, dtype=policy)(outputs)
        results = project(outputs, logits or target_embedding)
        if config.coverage_loss:
            covered = AddCoverageLoss(config.coverage_loss, name="coverage_loss")
            results = covered(results, weights, target)
        super().__init__({"source": source, "target": target}, results, **kwargs)

        self.config = config
        self.policy = self.dtype_policy = policy  # by which Keras decides whether to scale the loss
        self.source_embedding, self.target_embedding = source_embedding, target_embedding
        self.encoder, self.bridge, self.decoder = encoder, bridge, decoder
        self.logits: Any = logits
        self._attention_weights = weights
        self._compiled = _CompiledSearches()

    def encode(self, source: Tensor, is_padded: bool = True) -> tuple[Memory | None, list[Tensor]]:
        """Read the source, once for all steps.

        Args:
            source: Ids (B, S), padded with 0 on the right.
            is_padded: Whether it may have padding; where it has none, masks cost nothing.

        Returns:
            What the decoder attends to (None without attention), and its state before the first
            step, a flat list.
        """
        mask = ops.not_equal(source, PADDING_ID) if is_padded else None
        encoded, *states = self.encoder(self.source_embedding(source), mask=mask, training=False)
        attended = (encoded, mask) if self.config.attention else (None, None)
        memory = self.decoder.prepare(*attended)
        return memory, self.decoder.initial_state(memory, self.bridge(states))

    def decode_step(
        self, tokens: Tensor, state: Sequence[Tensor], memory: Memory | None
    ) -> tuple[Tensor, Tensor | None, list[Tensor]]:
        """Decode one step.

        Args:
            tokens: The tokens before, (B,).
            state: From `encode` or the step before.
            memory: From `encode`.

        Returns:
            Log-probabilities (B, V) of the next token, weights (B, S) or None, next state.
        """
        output, weights, state = self.decoder.step(self.target_embedding(tokens), state, memory)
        logits = project(output, self.logits or self.target_embedding)
        return ops.log_softmax(logits, axis=-1), weights, state

    def with_attention(self) -> keras.Model:
        """The same model, all of its weights shared, with attention as a further output.

        For losses of where it looks: training it trains this one.

        Returns:
            A functional Keras model with the inputs of this one, and as outputs a dictionary of
            `"logits"` (B, T, V) and `"attention"` (B, T, S), float32, not zero where the target is
            padding.

        Raises:
            ValueError: If the model has no attention.

        Example:
            >>> import numpy as np
            >>> import keras_attention as ka
            >>> model = ka.Seq2Seq(ka.Seq2SeqConfig(source_vocabulary=11, target_vocabulary=13))
            >>> guided = model.with_attention()
            >>> losses = {"logits": ka.MaskedCrossEntropy(), "attention": ka.GuidedAlignmentLoss()}
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

    def search(
        self, source: Tensor, search: Search, max_length: int, is_padded: bool = True
    ) -> Hypotheses:
        """Search for the best targets, in the graph; `generate` is the same for arrays.

        Args:
            source: Ids (B, S), padded with 0 on the right.
            search: `GreedySearch()` or `BeamSearch(...)`.
            max_length: T, the most tokens of a hypothesis, the end token counted.
            is_padded: Whether the source may have padding.

        Returns:
            Hypotheses of T tokens, best first.
        """
        memory, state = self.encode(source, is_padded)
        length = None
        if memory is not None:
            length = source.shape[1] or ops.shape(source)[1]
            memory = keras.tree.map_structure(
                lambda x: None if x is None else repeat_rows(x, search.width), memory
            )
        rows = ops.shape(source)[0]
        return search(
            lambda tokens, state: self.decode_step(tokens, state, memory),
            state,
            ops.full((rows,), self.config.start_id, dtype="int32"),
            end_id=END_ID,
            max_length=max_length,
            attention_length=length,
        )

    def generate(
        self, source: Any, search: Search | None = None, max_length: int = 60
    ) -> Hypotheses:
        """Search for the best targets of a batch of sources.

        On TensorFlow a search is compiled once for all batches and lengths; on JAX each call
        compiles its loop anew.

        Args:
            source: Ids (B, S), padded with 0 on the right.
            search: `GreedySearch()` or `BeamSearch(...)`; None for greedy.
            max_length: The most tokens of a hypothesis, the end token counted. One that is cut
                there has no end token.

        Returns:
            Hypotheses as NumPy arrays, best first; T is the longest of them.

        Raises:
            ValueError: If ids are not integers (B, S), lie out of the vocabulary, or have padding
                anywhere but on the right; or if the model's own numbers are not finite.
            TypeError: If `search` is not a search.
        """
        check_positive("max_length", max_length)
        search = GreedySearch() if search is None else search
        if not isinstance(search, GreedySearch | BeamSearch):
            raise TypeError(
                "Argument `search` must be GreedySearch(), BeamSearch(...) or None. "
                f"Received: search={search!r}"
            )
        source = checked_ids(source, self.config.source_vocabulary)
        run = self._compiled.by_key.setdefault(
            (search, max_length), compiled(lambda ids: self.search(ids, search, max_length))
        )
        found = run(ops.convert_to_tensor(source, dtype="int32"))
        ids, lengths, scores = (ops.convert_to_numpy(x) for x in found[:3])
        check_finite(np.where(lengths[:, :1] > 0, scores, np.nan))
        longest = int(lengths.max(initial=0))
        attention = None
        if found.attention is not None:
            attention = ops.convert_to_numpy(found.attention)[:, :, :longest]
        return Hypotheses(ids[:, :, :longest], lengths, scores, attention)

    def score(self, source: Any, target: Any) -> TargetScores:
        """How likely given targets are, token by token; compiled as `generate` is.

        Args:
            source: Ids (B, S), padded with 0 on the right.
            target: Ids (B, T) without the start token, padded with 0 on the right. The end token
                counts where it is given.

        Returns:
            Log-probabilities and attention of the targets' tokens as NumPy arrays.

        Raises:
            ValueError: If ids are not as in `generate`, or there are not as many targets as
                sources; or if the model's own numbers are not finite.
        """
        source = checked_ids(source, self.config.source_vocabulary)
        target = checked_ids(target, self.config.target_vocabulary, "target")
        if len(source) != len(target):
            raise ValueError(
                "Argument `target` must have as many rows as `source`. "
                f"Received: source of {source.shape}, target of {target.shape}"
            )

        def forced(source: Tensor, target: Tensor) -> TargetScores:
            memory, state = self.encode(source)
            return forced_decoding(
                lambda tokens, state: self.decode_step(tokens, state, memory),
                state,
                ops.full((ops.shape(source)[0],), self.config.start_id, dtype="int32"),
                target,
            )

        run = self._compiled.by_key.setdefault("score", compiled(forced))
        found = run(*(ops.convert_to_tensor(ids, dtype="int32") for ids in (source, target)))
        log_probs = ops.convert_to_numpy(found.log_probs)
        check_finite(log_probs)
        attention = found.attention
        return TargetScores(
            log_probs, None if attention is None else ops.convert_to_numpy(attention)
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        policy = keras.dtype_policies.serialize(self.policy)
        return {"name": self.name, "config": asdict(self.config), "dtype": policy}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Seq2Seq:
        """A model like the one that `get_config` described."""
        return cls(**{**config, "config": Seq2SeqConfig(**config["config"])})


class _CompiledSearches:
    """Functions that were compiled, searches by search and maximum length.

    An object of its own, since exporters save every dictionary that is an attribute of a model.
    """

    def __init__(self) -> None:
        self.by_key: dict[Hashable, Callable[..., Any]] = {}
