"""Search and scoring for any model that encodes a source and decodes step by step."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

from keras_attention.attention import Memory
from keras_attention.checks import check_log_probs, check_positive, checked_ids
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
from keras_attention.decoding.loop import rows_may_leave
from keras_attention.decoding.types import EndId, StepFunction, repeat_rows
from keras_attention.ids import END_ID, START_ID
from keras_attention.memory import check_search
from keras_attention.model.compiled import CompiledFunctions
from keras_attention.model.contract import (
    check_facts,
    check_results,
    checked_constraints,
    checked_source,
    missing,
    plain,
)
from keras_attention.types import Nest, Shape, Tensor

Search: TypeAlias = GreedySearch | BeamSearch | SamplingSearch
_STEP_RESULTS = "log-probabilities, weights or None, and the state"


class StepModel:
    """Base class of models that encode a source once and decode step by step.

    It adds every search (`generate`), scores (`score`) and the functions of an export
    (`ka.export.search_functions`) to a model that says what it reads and writes. `Seq2Seq` and
    `Ensemble` are two; a model of your own is a `keras.Model` with this class as an additional
    base. Any other object with `variables` can be searched, too, but not exported.

    A subclass implements `encode` and `decode_step`, and sets the first two attributes below. If
    its memory is not a `ka.attention.Memory` and `decode_step` returns attention weights, it also
    implements `attention_length`.

    Attributes:
        source_specs: A `keras.InputSpec` with the shape and dtype of every tensor that `encode`
            reads, in the form in which it takes them: one, a list or a dictionary. The batch and
            other variable sizes are None.
        target_vocabulary: Number of target tokens, V. Id 0 is padding, in results and in targets.
        source_vocabulary: Number of source tokens, if the source is ids (B, S) alone; they are then
            checked. None by default.
        start_id: The token that the first step reads; 1 by default.
        end_id: The token that ends a target, or a tuple of several; 2 by default.
        has_attention: Whether searches record the weights that `decode_step` returns; True by
            default.

    Example:
        A captioner that attends to the positions of a feature map:

        >>> import keras
        >>> import numpy as np
        >>> from keras import ops
        >>> import keras_attention as ka
        >>> class Captioner(ka.model.StepModel, keras.Model):
        ...     source_specs = keras.InputSpec(shape=(None, None, 16), dtype="float32")
        ...     target_vocabulary = 9
        ...
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.embed = keras.layers.Embedding(9, 8)
        ...         attention = ka.BahdanauAttention(8)
        ...         self.decoder = ka.AttentionDecoder(keras.layers.GRUCell(8), attention)
        ...         self.words = keras.layers.Dense(9)
        ...
        ...     def call(self, inputs):  # to train it
        ...         features, target = inputs
        ...         return self.words(self.decoder(self.embed(target), memory=features))
        ...
        ...     def encode(self, features):
        ...         memory = self.decoder.prepare(features)
        ...         return memory, self.decoder.initial_state(memory)
        ...
        ...     def decode_step(self, tokens, state, memory):
        ...         output, weights, state = self.decoder.step(self.embed(tokens), state, memory)
        ...         return ops.log_softmax(self.words(output)), weights, state
        >>> model, features = Captioner(), np.ones((2, 7, 16))
        >>> tuple(model([features, np.ones((2, 3), "int32")]).shape)
        (2, 3, 9)
        >>> found = model.generate(features, ka.BeamSearch(3), max_length=5)
        >>> found.ids.shape[:2], found.attention.shape[3]
        ((2, 3), 7)
    """

    source_specs: Nest
    target_vocabulary: int
    source_vocabulary: int | None = None
    start_id: int = START_ID
    end_id: EndId = END_ID
    has_attention: bool = True
    variables: list[Any]

    def encode(self, source: Nest) -> tuple[Nest, Nest]:
        """Encode the source, once for all decoding steps. A subclass implements it.

        Args:
            source: The tensors that `source_specs` describes.

        Returns:
            The memory and the initial decoder state: any nests of tensors with B rows and None,
            which `decode_step` gets in this form. All hypotheses share the memory of their source;
            each has its own state.
        """
        raise missing(self, "encode")

    def decode_step(
        self, tokens: Tensor, state: Any, memory: Any
    ) -> tuple[Tensor, Tensor | None, Nest]:
        """Decode one step. A subclass implements it.

        Args:
            tokens: The previous tokens, (B,).
            state: From `encode` or the previous step.
            memory: From `encode`.

        Returns:
            Log-probabilities (B, V) of the next token, attention weights (B, S) or None, and the
            next state, of the same form as `state`.
        """
        raise missing(self, "decode_step")

    def attention_length(self, source: Nest, memory: Nest) -> int | Tensor:
        """The number of positions S of the attention weights.

        By default that of the memory, if `encode` returns a `ka.attention.Memory`.
        """
        if not isinstance(memory, Memory):
            raise NotImplementedError(
                f"{type(self).__name__} must implement `attention_length(source, memory)`, the "
                "number of positions of its weights, or set `has_attention = False`, because its "
                "memory is not a `Memory`. "
                f"Received: {type(memory).__name__}"
            )
        return sum(x.shape[1] or ops.shape(x)[1] for x in keras.tree.flatten(memory.values))

    def attention_mask(self, source: Nest, memory: Nest) -> Tensor | None:
        """The positions (B, S) that a coverage penalty counts; None for all of them.

        By default those of the memory, if `encode` returns a `ka.attention.Memory`.
        """
        if not isinstance(memory, Memory):
            return None
        masks = keras.tree.flatten(memory.mask)  # several in the memory of a `MultiSource`
        if all(mask is None for mask in masks):
            return None
        ones = [ops.ones_like(x[..., 0], dtype="bool") for x in keras.tree.flatten(memory.values)]
        both = zip(masks, ones, strict=True)
        return ops.concatenate([one if mask is None else mask for mask, one in both], axis=1)

    def checked_source(self, source: Any) -> Nest:
        """The source of `generate` and `score` as arrays, after checking it.

        Every array must fit its spec, and rows of ids of different lengths are padded.

        Raises:
            TypeError: If an attribute is missing or of another kind.
            ValueError: If arrays do not fit `source_specs`, or differ in their number of rows; or
                if ids lie outside `source_vocabulary`, or have padding anywhere but on the right.
        """
        check_facts(self, StepModel)
        if self.source_vocabulary is not None:
            return checked_ids(source, self.source_vocabulary)
        return checked_source(self.source_specs, source)

    def compiled_function(
        self, key: Hashable, function: Callable[..., Any], shapes: Nest = None
    ) -> Callable[..., Any]:
        """Compile a function of arrays that reads this model; the same one for the same key."""
        functions = self.__dict__.setdefault("_compiled_functions", CompiledFunctions())
        return functions.get(key, function, self.variables, shapes)

    def search(
        self,
        source: Nest,
        search: Search,
        max_length: int | Tensor,
        *,
        encoded: tuple[Nest, Nest] | None = None,
        prefix: Tensor | None = None,
        allowed: Tensor | None = None,
        uniform: Tensor | None = None,
    ) -> Hypotheses:
        """Search for the best targets inside a graph; `generate` does the same for arrays.

        Args:
            source: The tensors that `source_specs` describes; ids (B, S), padded with 0 on the
                right, for a `Seq2Seq`.
            search: `GreedySearch()`, `BeamSearch(...)` or `SamplingSearch(...)`.
            max_length: T, maximum tokens per hypothesis, including the end token.
            encoded: What `encode` returned for this source; None to encode it here.
            prefix: As in `generate`.
            allowed: As in `generate`, (B, V).
            uniform: Random numbers (B, K, T) in [0, 1) for `SamplingSearch`.

        Returns:
            Hypotheses of T tokens, best first.

        Raises:
            ValueError: If `search` is a `SamplingSearch` and `uniform` is None.
        """
        memory, state = self._encoded(source) if encoded is None else encoded
        options: dict[str, Any] = {"constraints": _of_rows(prefix, allowed)}
        if self.has_attention:
            options["attention_length"] = self.attention_length(source, memory)
        if isinstance(search, BeamSearch) and search.coverage_penalty:
            options["attention_mask"] = self.attention_mask(source, memory)
        step = self._step(wants_weights=self.has_attention)
        if isinstance(search, SamplingSearch):
            if uniform is None:
                raise ValueError(
                    "Argument `uniform` must hold random numbers (B, K, T) for sampling in a "
                    f"graph; exported models cannot sample. Received: search={search}, uniform=None"
                )
            options["uniform"] = uniform
        if prefix is None and allowed is None:
            options["memory"] = (memory,)
        else:  # these have rows, too, which must stay in their places
            step = partial(step, memory=repeat_rows(memory, search.width))
        return search(
            step,
            state,
            self._start_tokens(source),
            end_id=self.end_id,
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

        On TensorFlow, a search is compiled once for all batch sizes and lengths; on JAX, once for
        each.

        Args:
            source: What `source_specs` describes. Ids (B, S) are padded with 0 on the right, or are
                rows of different lengths, which are padded: a list of lists, or a ragged tensor of
                TensorFlow. A row of padding alone fills a batch; its hypotheses mean nothing.
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
            ValueError: If the source does not fit its specs, or ids lie outside the vocabulary or
                have padding anywhere but on the right; if `prefix` or `allowed` has the wrong
                shape; if `max_length` leaves no room for the prefix or a minimum length; if the
                results do not fit into memory; or if the model's outputs are not finite.
            TypeError: If `search` is not a search.
        """
        check_positive("max_length", max_length)
        search = GreedySearch() if search is None else search
        if not isinstance(search, Search):
            raise TypeError(
                "Argument `search` must be GreedySearch(), BeamSearch(...), "
                f"SamplingSearch(...) or None. Received: search={search!r}"
            )
        source = self.checked_source(source)
        rows = _rows(source)
        check_search(rows, search.width, max_length, self._positions(source))
        given = checked_constraints(rows, self.target_vocabulary, max_length, prefix, allowed)
        is_constrained = bool(given or search.constraints)
        if isinstance(search, SamplingSearch):
            given["uniform"] = search.draw(rows, max_length)
            search = replace(search, seed=None)  # another seed needs no recompilation
        names = tuple(given)

        def searched(source: Nest, *arrays: Tensor) -> Hypotheses:
            with rows_may_leave():
                return self.search(
                    source, search, max_length, **dict(zip(names, arrays, strict=True))
                )

        key = (search, max_length, names)
        run = self.compiled_function(key, searched, self._source_shapes())
        found = run(*keras.tree.map_structure(ops.convert_to_tensor, (source, *given.values())))
        return _as_arrays(found, is_constrained)

    def score(self, source: Any, target: Any) -> TargetScores:
        """Score given targets, token by token; compiled like `generate`.

        Args:
            source: As in `generate`.
            target: Ids (B, T) without the start token, likewise padded. The end token is scored if
                present.

        Returns:
            Log-probabilities and attention of the target tokens as NumPy arrays.

        Raises:
            ValueError: If ids are invalid (see `generate`), the numbers of sources and targets
                differ, or the model's outputs are not finite.
        """
        source = self.checked_source(source)
        target = checked_ids(target, self.target_vocabulary, "target")
        if _rows(source) != len(target):
            raise ValueError(
                "Argument `target` must have as many rows as `source`. "
                f"Received: {_rows(source)} sources, target of {target.shape}"
            )

        run = self.compiled_function("score", self.target_scores, self._source_shapes())
        found = run(*keras.tree.map_structure(ops.convert_to_tensor, (source, target)))
        log_probs = ops.convert_to_numpy(found.log_probs)
        check_log_probs(log_probs)
        attention = found.attention
        return TargetScores(
            log_probs, None if attention is None else ops.convert_to_numpy(attention)
        )

    def target_scores(
        self, source: Nest, target: Tensor, wants_attention: bool = True
    ) -> TargetScores:
        """Score given targets inside a graph; `score` does the same for arrays.

        Args:
            source: As in `search`.
            target: Ids (B, T) without the start token, padded with 0 on the right.
            wants_attention: Whether to record attention weights.

        Returns:
            Log-probabilities and attention of the target tokens.
        """
        memory, state = self._encoded(source)
        checked = self._step(wants_weights=False)

        def step(tokens: Tensor, state: Nest) -> tuple[Tensor, Tensor | None, Nest]:
            log_probs, weights, after = checked(tokens, state, memory)
            return log_probs, weights if wants_attention else None, after

        return forced_decoding(step, state, self._start_tokens(source), target)

    def _encoded(self, source: Nest) -> tuple[Nest, Nest]:
        """The results of `encode`, after checking what the model says about itself.

        Raises:
            TypeError: If an attribute is missing or of another kind, or `encode` does not return
                a pair.
            ValueError: If the start or end token lies outside the vocabulary.
            NotImplementedError: If a method is missing.
        """
        check_facts(self, StepModel)
        encoded = self.encode(source)
        check_results(self, "encode", encoded, 2, "the memory and the state")
        memory, state = encoded
        return memory, state

    def _step(self, wants_weights: bool) -> StepFunction:
        """`decode_step`, after checking its results."""

        def step(tokens: Tensor, state: Nest, memory: Nest) -> tuple[Tensor, Tensor | None, Nest]:
            given = self.decode_step(tokens, state, memory)
            check_results(self, "decode_step", given, 3, _STEP_RESULTS)
            log_probs, weights, after = given
            if wants_weights and weights is None:
                raise ValueError(
                    f"`decode_step` of {type(self).__name__} must return attention weights, or the "
                    "model must have `has_attention = False`. Received: weights=None"
                )
            return log_probs, weights, after

        return step

    def _start_tokens(self, source: Nest) -> Tensor:
        rows = ops.shape(keras.tree.flatten(source)[0])[0]
        return ops.full((rows,), self.start_id, dtype="int32")

    def _positions(self, source: Nest) -> int:
        """A lower bound on S, from the arrays of a source: their length, if they are ids."""
        is_known = self.has_attention and self.source_vocabulary is not None
        return int(source.shape[1]) if is_known else 0

    def _source_shapes(self) -> list[Shape]:
        return [tuple(spec.shape) for spec in keras.tree.flatten(plain(self.source_specs))]


def _rows(arrays: Nest) -> int:
    return len(keras.tree.flatten(arrays)[0])


def _of_rows(prefix: Tensor | None, allowed: Tensor | None) -> tuple[Constraint, ...]:
    """Constraints that differ by row; the prefix comes last, so that it overrides the others."""
    vocabulary = () if allowed is None else (AllowedTokens(allowed),)
    return vocabulary if prefix is None else (*vocabulary, Prefix(prefix))


def _as_arrays(found: Hypotheses, is_constrained: bool) -> Hypotheses:
    """NumPy arrays trimmed to the longest hypothesis.

    A row without hypotheses means that the model is broken, unless there are constraints.
    """
    ids, lengths, scores = (ops.convert_to_numpy(x) for x in found[:3])
    check_log_probs(scores if is_constrained else np.where(lengths[:, :1] > 0, scores, np.nan))
    longest = int(lengths.max(initial=0))
    attention = None
    if found.attention is not None:
        attention = ops.convert_to_numpy(found.attention)[:, :, :longest]
    return Hypotheses(ids[:, :, :longest], lengths, scores, attention)
