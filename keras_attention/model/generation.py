"""Searches and scores over whatever encodes a source and decodes step by step."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

from keras_attention.backend import compiled
from keras_attention.checks import check_finite, check_positive, checked_ids
from keras_attention.decoding import (
    AllowedTokens,
    BeamSearch,
    Constraint,
    GreedySearch,
    Hypotheses,
    Prefix,
    SamplingSearch,
    TargetScores,
    forced_decoding,
)
from keras_attention.decoding.types import repeat_rows
from keras_attention.ids import END_ID, PADDING_ID
from keras_attention.model.config import Seq2SeqConfig
from keras_attention.types import Nest, Tensor

Search: TypeAlias = GreedySearch | BeamSearch | SamplingSearch


class CompiledFunctions:
    """Functions that were compiled, searches by search and maximum length.

    An object of its own, since exporters save every dictionary that is an attribute of a model.
    """

    def __init__(self) -> None:
        self.by_key: dict[Hashable, Callable[..., Any]] = {}

    def get(self, key: Hashable, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function of this key, compiled at its first call."""
        return self.by_key.setdefault(key, compiled(function))


class StepModel:
    """Base of models that encode a source and decode step by step: it searches and scores.

    It keeps nothing itself: a model has the two attributes and the methods `encode` and
    `decode_step`, as `Seq2Seq` does.

    Attributes:
        config: Sizes of the vocabularies, and the start token.
        compiled_functions: What was compiled for this model.
    """

    config: Seq2SeqConfig
    compiled_functions: CompiledFunctions

    def encode(self, source: Tensor, is_padded: bool = True) -> tuple[Nest, Nest]:
        """What is attended to (None for nothing), and the state before the first step."""
        raise NotImplementedError

    def decode_step(
        self, tokens: Tensor, state: Any, memory: Any
    ) -> tuple[Tensor, Tensor | None, Nest]:
        """Log-probabilities of the next token, weights or None, next state."""
        raise NotImplementedError

    def search(
        self,
        source: Tensor,
        search: Search,
        max_length: int,
        is_padded: bool = True,
        *,
        prefix: Tensor | None = None,
        allowed: Tensor | None = None,
        uniform: Tensor | None = None,
    ) -> Hypotheses:
        """Search for the best targets, in the graph; `generate` is the same for arrays.

        Args:
            source: Ids (B, S), padded with 0 on the right.
            search: `GreedySearch()`, `BeamSearch(...)` or `SamplingSearch(...)`.
            max_length: T, the most tokens of a hypothesis, the end token counted.
            is_padded: Whether the source may have padding.
            prefix: As in `generate`.
            allowed: As in `generate`, (B, V).
            uniform: Random numbers (B, K, T) for `SamplingSearch`, at least 0 and below 1.

        Returns:
            Hypotheses of T tokens, best first.

        Raises:
            ValueError: If the search is a sampling and has no random numbers.
        """
        memory, state = self.encode(source, is_padded)
        options: dict[str, Any] = {"constraints": _of_rows(prefix, allowed)}
        if memory is not None:
            options["attention_length"] = source.shape[1] or ops.shape(source)[1]
            memory = keras.tree.map_structure(
                lambda x: None if x is None else repeat_rows(x, search.width), memory
            )
        if isinstance(search, BeamSearch) and search.coverage_penalty:
            options["attention_mask"] = ops.not_equal(source, PADDING_ID)
        if isinstance(search, SamplingSearch):
            if uniform is None:
                raise ValueError(
                    "A graph that samples needs its random numbers (B, K, T) as the argument "
                    f"`uniform`; no artefact of an export has them. Received: search={search}"
                )
            options["uniform"] = uniform
        return search(
            lambda tokens, state: self.decode_step(tokens, state, memory),
            state,
            self._start_tokens(source),
            end_id=END_ID,
            max_length=max_length,
            **options,
        )

    def generate(
        self,
        source: Any,
        search: Search | None = None,
        max_length: int = 60,
        *,
        prefix: Any = None,
        allowed: Any = None,
    ) -> Hypotheses:
        """Search for the best targets of a batch of sources.

        On TensorFlow a search is compiled once for all batches and lengths; on JAX each call
        compiles its loop anew.

        Args:
            source: Ids (B, S), padded with 0 on the right.
            search: `GreedySearch()`, `BeamSearch(...)` or `SamplingSearch(...)`; None for greedy.
            max_length: The most tokens of a hypothesis, the end token counted. One that is cut
                there has no end token.
            prefix: Ids (B, P) that each row's hypotheses begin with, whatever other constraints say
                of them, padded with 0 on the right; None for none.
            allowed: Boolean (V,) or (B, V), True where a token may be written, the end token too;
                None for everywhere.

        Returns:
            Hypotheses as NumPy arrays, best first; T is the longest of them. A row for which the
            constraints leave nothing has none: score -inf, length 0.

        Raises:
            ValueError: If ids are not integers (B, S), lie out of the vocabulary, or have padding
                anywhere but on the right; if `prefix` or `allowed` has another shape; or if the
                model's own numbers are not finite.
            TypeError: If `search` is not a search.
        """
        check_positive("max_length", max_length)
        search = GreedySearch() if search is None else search
        if not isinstance(search, Search):
            raise TypeError(
                "Argument `search` must be GreedySearch(), BeamSearch(...), "
                f"SamplingSearch(...) or None. Received: search={search!r}"
            )
        source = checked_ids(source, self.config.source_vocabulary)
        given = _checked_constraints(len(source), self.config.target_vocabulary, prefix, allowed)
        is_constrained = bool(given or search.constraints)
        if isinstance(search, SamplingSearch):
            given["uniform"] = search.draw(len(source), max_length)
            search = replace(search, seed=None)  # nothing is compiled anew for another seed
        names = tuple(given)
        run = self.compiled_functions.get(
            (search, max_length, names),
            lambda source, *arrays: self.search(
                source, search, max_length, **dict(zip(names, arrays, strict=True))
            ),
        )
        found = run(*(ops.convert_to_tensor(array) for array in (source, *given.values())))
        return _as_arrays(found, is_constrained)

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
                self._start_tokens(source),
                target,
            )

        run = self.compiled_functions.get("score", forced)
        found = run(*(ops.convert_to_tensor(ids, dtype="int32") for ids in (source, target)))
        log_probs = ops.convert_to_numpy(found.log_probs)
        check_finite(log_probs)
        attention = found.attention
        return TargetScores(
            log_probs, None if attention is None else ops.convert_to_numpy(attention)
        )

    def _start_tokens(self, source: Tensor) -> Tensor:
        return ops.full((ops.shape(source)[0],), self.config.start_id, dtype="int32")


def _of_rows(prefix: Tensor | None, allowed: Tensor | None) -> tuple[Constraint, ...]:
    """Constraints that differ by row; the prefix last, so that it wins over the others."""
    vocabulary = () if allowed is None else (AllowedTokens(allowed),)
    return vocabulary if prefix is None else (*vocabulary, Prefix(prefix))


def _checked_constraints(
    rows: int, vocabulary: int, prefix: Any, allowed: Any
) -> dict[str, np.ndarray]:
    """The arrays that are given, as `search` takes them, or the error that says what is wrong."""
    given = {}
    if prefix is not None:
        given["prefix"] = checked_ids(prefix, vocabulary, "prefix")
        if len(given["prefix"]) != rows:
            raise ValueError(
                "Argument `prefix` must have as many rows as `source`. "
                f"Received: {rows} sources, prefix of {given['prefix'].shape}"
            )
    if allowed is not None:
        mask = np.asarray(allowed)
        if mask.dtype != bool or mask.shape not in ((vocabulary,), (rows, vocabulary)):
            raise ValueError(
                "Argument `allowed` must be boolean, (target vocabulary,) or (batch, target "
                f"vocabulary) = {(rows, vocabulary)}. "
                f"Received: shape={mask.shape}, dtype={mask.dtype}"
            )
        given["allowed"] = np.broadcast_to(mask, (rows, vocabulary))
    return given


def _as_arrays(found: Hypotheses, is_constrained: bool) -> Hypotheses:
    """NumPy arrays as long as the longest hypothesis.

    A row without hypotheses is a model's fault, unless constraints left nothing.
    """
    ids, lengths, scores = (ops.convert_to_numpy(x) for x in found[:3])
    check_finite(scores if is_constrained else np.where(lengths[:, :1] > 0, scores, np.nan))
    longest = int(lengths.max(initial=0))
    attention = None
    if found.attention is not None:
        attention = ops.convert_to_numpy(found.attention)[:, :, :longest]
    return Hypotheses(ids[:, :, :longest], lengths, scores, attention)
