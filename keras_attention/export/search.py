"""The functions of a model that searches: whole searches, and the parts for a loop of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import keras
from keras import ops

from keras_attention.attention import Memory
from keras_attention.checks import check_one_of, check_positive
from keras_attention.decoding import BeamSearch, GreedySearch
from keras_attention.export.functions import Function, OfText, named, of_named_inputs
from keras_attention.export.text import TextSearch, Tokenizers
from keras_attention.model.generation import Search, StepModel, plain
from keras_attention.types import Nest, Tensor

GREEDY, BEAM, ENCODE, DECODE_STEP, SEARCH = "greedy", "beam", "encode", "decode_step", "search"
TRANSLATE, TRANSLATE_SEARCH = "translate", "translate_search"
NAMES = (GREEDY, BEAM, ENCODE, DECODE_STEP)


def search_functions(
    model: StepModel,
    max_length: int = 60,
    beam: BeamSearch | None = None,
    names: Sequence[str] = NAMES,
    *,
    search: Search | None = None,
    tokenizers: Tokenizers | None = None,
    max_source_length: int | None = None,
) -> dict[str, Function]:
    """Functions to export of a model that encodes once and decodes step by step.

    They are those of `python -m export`, for every `StepModel`:

    - `greedy`, `beam`: the source to `ids` (B, K, T) int32, `lengths` (B, K) int32, `scores` (B, K)
      and, with attention, `attention` (B, K, T, S). K is 1 for `greedy`.
    - `encode`: the source to the memory and the initial state.
    - `decode_step`: `tokens` (B,) int32 and all outputs of `encode` to `log_probs` (B, V),
      `weights` (B, S) if there are any, and the next state, for a search on the host.
    - `search`, for SavedModels: `beam` with its options as further inputs, which a server may omit:
      `beam_width` () int32, `length_penalty` () float32 and `max_length` () int32.
    - `translate`, with tokenizers, for SavedModels and ONNX: `text` (B,) strings to `text` (B, K)
      (in ONNX `translation`), `scores` (B, K) and, with attention, `attention` (B, K, T, S).
    - `translate_search`, for SavedModels: `search` on strings.

    The source's inputs are named by the keys of `source_specs` or by the specs; one without a name
    is `source`, those of a list are `source_0`, `source_1`, ... The outputs of `encode` are called
    `memory`, `keys`, `memory_mask` and `prepared_0`, ... if the memory is a `ka.attention.Memory`,
    else `memory_` and the key, field or number; those of the state `state_0`, ..., or `state_` and
    the key or field. The next state has the same names after `next_`. Booleans become 0.0 and 1.0.
    ONNX refuses a source that has the name of an output, such as `ids`.

    Args:
        model: The model, built, on the TensorFlow backend.
        max_length: T, maximum tokens per hypothesis, including the end token.
        beam: The search of `beam` and `search`; None for `BeamSearch()`.
        names: The functions.
        search: The search of `translate`; None for greedy.
        tokenizers: The source and target tokenizers of a model that reads ids (B, S).
        max_source_length: Maximum number of source tokens, including the end token; `translate`
            rejects longer texts. None for no limit.

    Returns:
        The functions, for `functions=` of `to_saved_model`, `to_tflite`, `to_onnx` and `check`.

    Raises:
        TypeError: If `model` is not a `StepModel`.
        ValueError: If a name is unknown, a function on strings lacks tokenizers, their vocabulary
            sizes differ from the model's, or `max_length` is not positive.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import keras_attention as ka
        >>> model = ka.Seq2Seq(ka.Seq2SeqConfig(11, 13, encoder_units=4, decoder_units=4))
        >>> functions = ka.export.search_functions(model, max_length=5, names=["greedy"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = ka.export.to_saved_model(model, f"{folder}/model", functions=functions)
        ...     calls = {"greedy": {"source": np.array([[5, 6, 2], [7, 2, 0]], "int32")}}
        ...     ka.export.check(path, model, calls, functions=functions)
        []
    """
    if not isinstance(model, StepModel):
        raise TypeError(f"Argument `model` must be a StepModel. Received: a {type(model).__name__}")
    check_positive("max_length", max_length)
    if beam is not None and not isinstance(beam, BeamSearch):
        raise TypeError(f"Argument `beam` must be a BeamSearch or None. Received: beam={beam!r}")
    for name in [names] if isinstance(names, str) else names:
        check_one_of("names", name, (*NAMES, SEARCH, TRANSLATE, TRANSLATE_SEARCH))
    beam, search = beam or BeamSearch(), search or GreedySearch()
    texts = TextSearch(model, tokenizers, max_source_length) if tokenizers else None
    encoded = cache(lambda: Encoded(model))
    made: dict[str, Callable[[], Function]] = {
        GREEDY: lambda: _searched(model, GreedySearch(), max_length),
        BEAM: lambda: _searched(model, beam, max_length),
        ENCODE: lambda: _encode(model, encoded()),
        DECODE_STEP: lambda: _decode_step(model, encoded()),
        SEARCH: lambda: _search(model, beam, max_length),
        TRANSLATE: lambda: _translated(given(texts), search, max_length),
        TRANSLATE_SEARCH: lambda: _translate_search(given(texts), search, max_length),
    }
    return {name: made[name]() for name in ([names] if isinstance(names, str) else names)}


def _of_source(model: StepModel, call: Callable[[Nest], Any]) -> Function:
    specs = plain(model.source_specs)
    by_name = named(specs) if isinstance(specs, Mapping) else named(specs, "source", True)
    return of_named_inputs(call, specs, by_name)


def _searched(model: StepModel, search: Search, max_length: int) -> Function:
    found = _of_source(model, lambda source: model.search(source, search, max_length))
    return found._replace(hypotheses=search.width)


def _encode(model: StepModel, encoded: Encoded) -> Function:
    return _of_source(model, lambda source: encoded.named(*model.encode(source)))


def _decode_step(model: StepModel, encoded: Encoded) -> Function:
    def decode_step(tokens: Tensor, **given: Tensor) -> dict[str, Tensor]:
        memory, state = encoded.structured(given)
        return encoded.named_step(*model.decode_step(tokens, state, memory))

    tokens = keras.InputSpec(shape=(None,), dtype="int32")
    return Function(decode_step, {"tokens": tokens, **encoded.specs})


def _search(model: StepModel, beam: BeamSearch, max_length: int) -> Function:
    source = _of_source(model, lambda source: source)

    def searched(search: Search, max_length: Tensor, **given: Tensor) -> Any:
        return model.search(source.call(**given), search, max_length)

    run, defaults = with_options(searched, beam, max_length)
    return source._replace(call=run, defaults=defaults, hypotheses=beam.width)


def given(texts: TextSearch | None) -> TextSearch:
    """The tokenizers, which functions on strings need."""
    if texts is None:
        raise ValueError("The functions on strings need tokenizers. Received: tokenizers=None")
    return texts


def _translated(texts: TextSearch, search: Search, max_length: int) -> Function:
    on_ids = _searched(texts.model, search, max_length)
    return Function(
        partial(texts, search=search, max_length=max_length),
        {"text": keras.InputSpec(shape=(None,), dtype="string")},
        text=OfText(on_ids, texts.tokenizers, texts.graphs, texts.max_source_length),
    )


def _translate_search(texts: TextSearch, search: Search, max_length: int) -> Function:
    whole = _translated(texts, search, max_length)
    run, defaults = with_options(texts, as_beam(search), max_length)
    return whole._replace(call=run, defaults=defaults)


def as_beam(search: Search) -> BeamSearch:
    """A search as a beam search; greedy search as one of width 1."""
    if isinstance(search, BeamSearch):
        return search
    return BeamSearch(search.width, 0.0, constraints=search.constraints)


def with_options(
    searched: Callable[..., Any], beam: BeamSearch, max_length: int
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """A search whose options are inputs.

    Args:
        searched: A function of named tensors, and of `search` and `max_length`.
        beam: The search that provides the other options, and the defaults.
        max_length: The default maximum length.

    Returns:
        A function of the named tensors, `beam_width`, `length_penalty` and `max_length`, and the
        defaults of these three.
    """

    def run(beam_width: Tensor, length_penalty: Tensor, max_length: Tensor, **given: Tensor) -> Any:
        given = after_checks(given, beam_width, length_penalty, max_length)
        asked = replace(beam, width=beam_width, length_penalty=length_penalty)
        return searched(**given, search=asked, max_length=max_length)

    penalty = float(beam.length_penalty)
    return run, {"beam_width": beam.width, "length_penalty": penalty, "max_length": max_length}


def after_checks(
    given: Mapping[str, Tensor], beam_width: Tensor, length_penalty: Tensor, max_length: Tensor
) -> dict[str, Tensor]:
    """The given tensors in a graph that fails if an option of a search is out of range."""
    import tensorflow as tf

    checks = [
        tf.debugging.assert_positive(beam_width, "beam_width must be positive"),
        tf.debugging.assert_non_negative(length_penalty, "length_penalty is negative"),
        tf.debugging.assert_positive(max_length, "max_length must be positive"),
    ]
    with tf.control_dependencies(checks):
        return {name: tf.identity(x) for name, x in given.items()}


class Encoded:
    """What a model's `encode` returns, as named tensors, and the way back.

    Args:
        model: The model, on the TensorFlow backend.

    Attributes:
        specs: The spec of each tensor by name.
    """

    def __init__(self, model: StepModel) -> None:
        import tensorflow as tf

        source = keras.tree.map_structure(
            lambda spec: tf.TensorSpec(spec.shape, spec.dtype or "float32"),
            plain(model.source_specs),
        )
        traced = tf.function(model.encode, autograph=False).get_concrete_function(source)
        self._structure = traced.structured_outputs  # of specs, and None
        self._leaves = keras.tree.flatten(self._structure)
        places = [None if leaf is None else i for i, leaf in enumerate(self._leaves)]
        memory, state = keras.tree.pack_sequence_as(self._structure, places)
        self._names = {place: name for name, place in (*_of_memory(memory), *_of_state(state))}
        self._states = [name for name, _ in _of_state(state)]
        self.specs = {
            name: keras.InputSpec(
                shape=self._leaves[place].shape, dtype=_dtype(self._leaves[place])
            )
            for place, name in self._names.items()
        }

    def named(self, memory: Nest, state: Nest) -> dict[str, Tensor]:
        """The tensors of a memory and a state by name."""
        leaves = keras.tree.flatten((memory, state))
        return {name: _number(leaves[place]) for place, name in self._names.items()}

    def structured(self, given: Mapping[str, Tensor]) -> tuple[Nest, Nest]:
        """The memory and the state from named tensors."""
        leaves = [
            None if leaf is None else _as_it_was(given[self._names[place]], leaf.dtype)
            for place, leaf in enumerate(self._leaves)
        ]
        memory, state = keras.tree.pack_sequence_as(self._structure, leaves)
        return memory, state

    def named_step(
        self, log_probs: Tensor, weights: Tensor | None, state: Nest
    ) -> dict[str, Tensor]:
        """The results of `decode_step` by name."""
        changed = (_number(x) for x in keras.tree.flatten(state) if x is not None)
        outputs = {f"next_{name}": x for name, x in zip(self._states, changed, strict=True)}
        outputs["log_probs"] = log_probs
        if weights is not None:
            outputs["weights"] = weights
        return outputs


def _of_memory(memory: Nest) -> Iterator[tuple[str, Any]]:
    """Names and leaves of a memory."""
    if not isinstance(memory, Memory):
        yield from named(memory, "memory", True)
        return
    yield from named(memory.values, "memory", True)
    yield from named(memory.keys, "keys", True)
    yield from named(memory.mask, "memory_mask", True)
    prepared = keras.tree.flatten((memory.past, memory.alignment))
    yield from named([x for x in prepared if x is not None], "prepared", True)


def _of_state(state: Nest) -> Iterator[tuple[str, Any]]:
    """Names and leaves of a state, in their flat order."""
    found = {place: name for name, place in named(state, "state", True)}
    yield from ((found[place], place) for place in sorted(found))


def _number(x: Tensor) -> Tensor:
    is_bool = keras.backend.standardize_dtype(x.dtype) == "bool"
    return ops.cast(x, "float32") if is_bool else x


def _as_it_was(x: Tensor, dtype: Any) -> Tensor:
    return x > 0.5 if keras.backend.standardize_dtype(dtype) == "bool" else x


def _dtype(spec: Any) -> str:
    dtype = keras.backend.standardize_dtype(spec.dtype)
    return "float32" if dtype == "bool" else dtype
