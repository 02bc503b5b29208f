"""The functions of a model that searches: whole searches, and the parts for a loop of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import keras

from keras_attention.checks import check_one_of, check_positive
from keras_attention.decoding import BeamSearch, GreedySearch
from keras_attention.export.encoded import Encoded
from keras_attention.export.functions import Function, OfText, of_named_inputs
from keras_attention.export.naming import named
from keras_attention.export.text import TextSearch, Tokenizers
from keras_attention.model.contract import check_facts, plain
from keras_attention.model.generation import Search, StepModel
from keras_attention.types import Nest, Tensor

GREEDY, BEAM, ENCODE, DECODE_STEP, SEARCH = "greedy", "beam", "encode", "decode_step", "search"
TRANSLATE, TRANSLATE_SEARCH = "translate", "translate_search"
NAMES = (GREEDY, BEAM, ENCODE, DECODE_STEP)
ON_STRINGS = (TRANSLATE, TRANSLATE_SEARCH)


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
        TypeError: If `model` is not a `StepModel`, or lacks one of its attributes.
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
    names = (names,) if isinstance(names, str) else names
    _check(model, max_length, beam, names)
    beam, search = beam or BeamSearch(), search or GreedySearch()
    texts = TextSearch(model, tokenizers, max_source_length) if tokenizers else None
    encoded = cache(lambda: Encoded(model))
    made: dict[str, Callable[[], Function]] = {
        GREEDY: lambda: _searched(model, GreedySearch(), max_length),
        BEAM: lambda: _searched(model, beam, max_length),
        ENCODE: lambda: _encode(model, encoded()),
        DECODE_STEP: lambda: _decode_step(model, encoded()),
        SEARCH: lambda: _search(model, beam, max_length),
        TRANSLATE: lambda: _translated(needed(texts), search, max_length),
        TRANSLATE_SEARCH: lambda: _translate_search(needed(texts), search, max_length),
    }
    return {name: made[name]() for name in names}


def _check(
    model: StepModel, max_length: int, beam: BeamSearch | None, names: Sequence[str]
) -> None:
    if not isinstance(model, StepModel):
        raise TypeError(f"Argument `model` must be a StepModel. Received: a {type(model).__name__}")
    check_facts(model, StepModel)
    check_positive("max_length", max_length)
    if beam is not None and not isinstance(beam, BeamSearch):
        raise TypeError(f"Argument `beam` must be a BeamSearch or None. Received: beam={beam!r}")
    for name in names:
        check_one_of("names", name, (*NAMES, SEARCH, *ON_STRINGS))


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


def needed(texts: TextSearch | None) -> TextSearch:
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
