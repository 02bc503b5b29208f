"""Search and scoring for any model that encodes a source and decodes step by step."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
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
    """A cache of compiled functions; a search is keyed by its options and maximum length.

    Functions compiled for other weights than a model's are forgotten: quantizing replaces weights,
    and LoRA adds some.

    This is an object, not a dictionary, because exporters save every dictionary attribute of a
    model.
    """

    def __init__(self) -> None:
        self.by_key: dict[Hashable, Callable[..., Any]] = {}
        self._weights: Hashable = None

    def get(
        self, key: Hashable, function: Callable[..., Any], weights: Sequence[Any]
    ) -> Callable[..., Any]:
        """The function cached under `key`, which reads `weights`; compiled at its first call."""
        kinds = tuple((weight.path, weight.dtype) for weight in weights)
        if kinds != self._weights:
            self.by_key, self._weights = {}, kinds
        return self.by_key.setdefault(key, compiled(function))


class StepModel:
    """Base class that adds search and scoring to models that encode and decode step by step.

    It has no state of its own: subclasses set the attributes and implement `encode` and
    `decode_step`, as `Seq2Seq` does.

    Attributes:
        config: Provides the vocabulary sizes and the start token.
        compiled_functions: Functions compiled for this model.
        variables: All that these functions read.
    """

    config: Seq2SeqConfig
    compiled_functions: CompiledFunctions
    variables: list[Any]

    def compiled_function(self, key: Hashable, function: Callable[..., Any]) -> Callable[..., Any]:
        """Compile a function of tensors that reads this model; the same one for the same key."""
        return self.compiled_functions.get(key, function, self.variables)

    def encode(self, source: Tensor, is_padded: bool = True) -> tuple[Nest, Nest]:
        """The memory (None without attention) and the initial decoder state."""
        raise NotImplementedError

    def decode_step(
        self, tokens: Tensor, state: Any, memory: Any
    ) -> tuple[Tensor, Tensor | None, Nest]:
        """Log-probabilities of the next token, attention weights or None, and the next state."""
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
        """Search for the best targets inside a graph; `generate` does the same for arrays.

        Args:
            source: Ids (B, S), padded with 0 on the right.
            search: `GreedySearch()`, `BeamSearch(...)` or `SamplingSearch(...)`.
            max_length: T, maximum tokens per hypothesis, including the end token.
            is_padded: Whether the source may contain padding.
            prefix: As in `generate`.
            allowed: As in `generate`, (B, V).
            uniform: Random numbers (B, K, T) in [0, 1) for `SamplingSearch`.

        Returns:
            Hypotheses of T tokens, best first.

        Raises:
            ValueError: If `search` is a `SamplingSearch` and `uniform` is None.
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
                    "Argument `uniform` must hold random numbers (B, K, T) for sampling in a "
                    f"graph; exported models cannot sample. Received: search={search}, uniform=None"
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

        On TensorFlow, a search is compiled once for all batch sizes and lengths; on JAX, every call
        recompiles the loop.

        Args:
            source: Ids (B, S), padded with 0 on the right, or rows of different lengths, which are
                padded: a list of lists, or a ragged tensor of TensorFlow.
            search: `GreedySearch()`, `BeamSearch(...)` or `SamplingSearch(...)`; None for greedy.
            max_length: Maximum tokens per hypothesis, including the end token, which truncated
                hypotheses lack.
            prefix: Ids (B, P) with which each row's hypotheses must begin, overriding the other
                constraints, padded like `source`; None for no prefix.
            allowed: Boolean (V,) or (B, V), True for allowed tokens, including the end token; None
                to allow all.

        Returns:
            Hypotheses as NumPy arrays, best first; T is the length of the longest. A row with no
            token left by the constraints has none: score -inf, length 0.

        Raises:
            ValueError: If ids are not integers (B, S), lie outside the vocabulary, or have padding
                anywhere but on the right; if `prefix` or `allowed` has the wrong shape; or if the
                model's outputs are not finite.
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
            search = replace(search, seed=None)  # another seed needs no recompilation
        names = tuple(given)
        run = self.compiled_function(
            (search, max_length, names),
            lambda source, *arrays: self.search(
                source, search, max_length, **dict(zip(names, arrays, strict=True))
            ),
        )
        found = run(*(ops.convert_to_tensor(array) for array in (source, *given.values())))
        return _as_arrays(found, is_constrained)

    def score(self, source: Any, target: Any) -> TargetScores:
        """Score given targets, token by token; compiled like `generate`.

        Args:
            source: Ids (B, S), padded as in `generate`.
            target: Ids (B, T) without the start token, likewise padded. The end token is scored if
                present.

        Returns:
            Log-probabilities and attention of the target tokens as NumPy arrays.

        Raises:
            ValueError: If ids are invalid (see `generate`), the numbers of sources and targets
                differ, or the model's outputs are not finite.
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

        run = self.compiled_function("score", forced)
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
    """Constraints that differ by row; the prefix comes last, so that it overrides the others."""
    vocabulary = () if allowed is None else (AllowedTokens(allowed),)
    return vocabulary if prefix is None else (*vocabulary, Prefix(prefix))


def _checked_constraints(
    rows: int, vocabulary: int, prefix: Any, allowed: Any
) -> dict[str, np.ndarray]:
    """Validate `prefix` and `allowed` and return those given, in the form `search` takes."""
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
    """NumPy arrays trimmed to the longest hypothesis.

    A row without hypotheses means that the model is broken, unless there are constraints.
    """
    ids, lengths, scores = (ops.convert_to_numpy(x) for x in found[:3])
    check_finite(scores if is_constrained else np.where(lengths[:, :1] > 0, scores, np.nan))
    longest = int(lengths.max(initial=0))
    attention = None
    if found.attention is not None:
        attention = ops.convert_to_numpy(found.attention)[:, :, :longest]
    return Hypotheses(ids[:, :, :longest], lengths, scores, attention)
