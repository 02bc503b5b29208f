"""The exportable translator: a Seq2Seq with fixed signatures, for TensorFlow.

A SavedModel of a Keras model object works in Python, but not in a session (as in TensorFlow
Serving) or a converter. Exports therefore save a plain `tf.Module` with the raw variables and the
tokenizers; the Keras model is used only in the functions, which are traced before saving.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import keras

from keras_attention.checks import check_positive
from keras_attention.decoding import BeamSearch, GreedySearch
from keras_attention.export.encoded import Encoded
from keras_attention.export.litert_workspace import Workspace, grows_in_steps
from keras_attention.export.naming import named
from keras_attention.export.search import NAMES, ON_STRINGS, as_beam, needed, with_options
from keras_attention.export.text import TextSearch, Tokenizers
from keras_attention.export.tracing import with_defaults, without_cudnn
from keras_attention.ids import PADDING_ID
from keras_attention.model.generation import Search
from keras_attention.model.seq2seq import Seq2Seq
from keras_attention.types import Tensor

Outputs = dict[str, Tensor]
ID_SIGNATURES, TEXT_SIGNATURES = NAMES, ON_STRINGS


class ServingModule:
    """Traces the functions of an export, which have the same names in every format.

    - `greedy`, `beam`: `source` (B, S) int32 to `ids` (B, K, T) int32, `lengths` (B, K) int32,
      `scores` (B, K) and `attention` (B, K, T, S).
    - `encode`: `source` to `memory` (B, S, M), `keys` (B, S, U), `memory_mask` (B, S) as float32,
      further tensors of some mechanisms, `prepared_0`, ... (B, S, ...), and the initial state,
      `state_0`, `state_1`, ...
    - `decode_step`: `tokens` (B,) int32 and all outputs of `encode` to `log_probs` (B, V),
      `weights` (B, S) and the next state, `next_state_0`, `next_state_1`, ...
    - `translate`: `text` (B,) strings to `text` (B, K), `scores` (B, K) and `attention`
      (B, K, T, S).
    - `search`, `translate_search`: beam search on ids and on strings, with options as further
      inputs: `beam_width` () int32, K; `length_penalty` () float32; `max_length` () int32, T. Their
      defaults, for servers that support them, are the options of `beam` and of `translate`; width 1
      with penalty 0 is greedy search.
    - `score`: `source` and `target` (B, T) int32, which ends with the end token and is padded like
      the source, to `log_probabilities` (B, T), log p(target_t | source, target_<t) in nats, 0 at
      padding.

    The source is padded with 0 on the right and ends with the end token. K is 1 for `greedy`; the
    best hypothesis comes first. Models without attention lack `memory`, `keys`, `memory_mask`,
    `weights` and `attention`.

    Args:
        model: The model, on the TensorFlow backend.
        max_length: T, maximum tokens per hypothesis, including the end token.
        beam: The search of `beam`.
        search: The search of `translate`; None for greedy.
        tokenizers: The source and target tokenizers, for `translate`.
        max_source_length: Maximum number of source tokens, including the end token; `translate`
            rejects longer texts. None for no limit.
        batch_size: B, if the runtime needs a fixed one; None for any. With 1, as TFLite requires,
            padding is skipped, and LiteRT's workspace has room for twice `max_source_length` tokens
            (128 if None) from the first call on.
        source_length: S, likewise.

    Attributes:
        weights: The model's TensorFlow variables.

    Raises:
        ValueError: If Keras runs on another backend, the model's dtype policy is not float32, a
            size is not positive, or a tokenizer's vocabulary size differs from the model's.
    """

    def __init__(
        self,
        model: Seq2Seq,
        max_length: int,
        beam: BeamSearch | None = None,
        search: Search | None = None,
        tokenizers: Tokenizers | None = None,
        max_source_length: int | None = None,
        batch_size: int | None = None,
        source_length: int | None = None,
    ) -> None:
        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                "Serving needs Keras on TensorFlow: set KERAS_BACKEND=tensorflow. "
                f"Received: backend={keras.backend.backend()!r}"
            )
        if model.policy.name != "float32":
            raise ValueError(
                "Argument `model` must compute in float32, as `RunDirectory(...).model()` does. "
                f"Received: a model with dtype policy {model.policy.name!r}"
            )
        check_positive("max_length", max_length)
        for name, size in (("batch_size", batch_size), ("source_length", source_length)):
            if size is not None:
                check_positive(name, size)
        self.model, self.max_length = model, max_length
        self.beam, self.search = beam or BeamSearch(), search or GreedySearch()
        self.max_source_length = max_source_length
        self.batch_size, self.source_length = batch_size, source_length
        self.weights = [variable.value for variable in model.weights]
        self._texts = None
        if tokenizers is not None:
            self._texts = TextSearch(model, tokenizers, max_source_length)
        self._traced: dict[str, Any] = {}

    def _searched(self, source: Tensor, search: Search, max_length: int | Tensor) -> Outputs:
        read, missing = self._without_padding(source)
        encoded = self.model.encode(read, missing is None)
        outputs = dict(named(self.model.search(read, search, max_length, encoded=encoded)))
        if "attention" in outputs:
            outputs["attention"] = _padded(outputs["attention"], 3, missing)
        return outputs

    def _encode(self, source: Tensor) -> Outputs:
        import tensorflow as tf

        read, missing = self._without_padding(source)
        memory, state = self.model.encode(read, missing is None)
        if memory is not None and memory.mask is None:
            memory = memory._replace(mask=tf.ones(tf.shape(read)))
        outputs = self._encoded.named(memory, state)
        return {name: tf.cast(_padded(x, 1, missing), tf.float32) for name, x in outputs.items()}

    def _decode_step(self, tokens: Tensor, **encoded: Tensor) -> Outputs:
        import tensorflow as tf

        if self.batch_size == 1 and grows_in_steps(self.model.decoder.attention):
            zero = self._workspace.reserve(tf.shape(encoded["memory"])[1])
            tokens += tf.cast(zero, tokens.dtype)
            encoded = {name: x + zero for name, x in encoded.items()}
        memory, state = self._encoded.structured(encoded)
        return self._encoded.named_step(*self.model.decode_step(tokens, state, memory))

    def _score(self, source: Tensor, target: Tensor) -> Outputs:
        found = self.model.target_scores(source, target, wants_attention=False)
        return {"log_probabilities": found.log_probs}

    @cached_property
    def _encoded(self) -> Encoded:
        return Encoded(self.model)

    def _without_padding(self, source: Tensor) -> tuple[Tensor, Tensor | None]:
        """Remove the padding of a single source, and return its amount; leave batches unchanged.

        Without padding the model needs no mask, wastes no computation, and has no large mask values
        that would spoil quantization.
        """
        import tensorflow as tf

        if self.batch_size != 1:
            return source, None
        real = tf.cast(tf.not_equal(source, PADDING_ID), tf.int32)
        length = tf.maximum(tf.reduce_sum(real), 1)
        length += tf.cast(self._workspace.reserve(length), tf.int32)
        return source[:, :length], tf.shape(source)[1] - length

    @cached_property
    def _workspace(self) -> Workspace:
        sizes = {
            name: math.prod(spec.shape[2:])
            for name, spec in self._encoded.specs.items()
            if name != "memory_mask" and not name.startswith("state")
        }
        return Workspace.estimated(
            self.model.encoder,
            self.model,
            attended=sum(sizes.values()),
            hypotheses=self.beam.width,
            steps=self.max_length,
            longest=self.max_source_length,
        )

    def functions(self, names: Sequence[str] = ID_SIGNATURES) -> dict[str, Any]:
        """Functions by name, each traced once; all except those with defaults are concrete.

        Args:
            names: The functions to trace; those on strings need tokenizers.

        Raises:
            ValueError: If a name is unknown, or a function on strings lacks tokenizers.
        """
        source, text = {"source": self._source_spec()}, {"text": self._text_spec()}
        searched = partial(self._searched, max_length=self.max_length)
        known: dict[str, Callable[[], Any]] = {
            "greedy": lambda: _trace(partial(searched, search=GreedySearch()), **source),
            "beam": lambda: _trace(partial(searched, search=self.beam), **source),
            "encode": lambda: _trace(self._encode, **source),
            "decode_step": lambda: _trace(self._decode_step, **self._step_spec()),
            "score": lambda: _trace(self._score, **source, target=self._target_spec()),
            "translate": lambda: _trace(
                partial(needed(self._texts), search=self.search, max_length=self.max_length), **text
            ),
            "search": lambda: self._with_options(self._searched, self.beam, **source),
            "translate_search": lambda: self._with_options(
                needed(self._texts), self.search, **text
            ),
        }
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(f"Argument `names` must be among {tuple(known)}. Received: {unknown}")
        for name in names:
            if name not in self._traced:
                with without_cudnn(self.model):
                    self._traced[name] = known[name]()
        return {name: self._traced[name] for name in names}

    def module(self, names: Sequence[str] = ID_SIGNATURES) -> Any:
        """The `tf.Module` to save with the functions `names`: only variables and tokenizers."""
        import tensorflow as tf

        module = tf.Module(name="translator")
        module.weights = self.weights
        takes_text = bool(set(TEXT_SIGNATURES) & set(names))
        module.tokenizers = needed(self._texts).graphs if takes_text else []
        return module

    def _with_options(self, searched: Callable[..., Outputs], search: Search, **given: Any) -> Any:
        """A beam search whose options are inputs, with the options of `search` as defaults.

        Args:
            searched: A function of the input, a search and a maximum length.
            search: The search that provides the defaults.
            **given: The name and spec of the input.
        """
        run, defaults = with_options(searched, as_beam(search), self.max_length)
        return with_defaults(run, given, defaults)

    def _source_spec(self) -> Any:
        import tensorflow as tf

        return tf.TensorSpec((self.batch_size, self.source_length), tf.int32, name="source")

    def _target_spec(self) -> Any:
        import tensorflow as tf

        return tf.TensorSpec((self.batch_size, None), tf.int32, name="target")

    def _text_spec(self) -> Any:
        import tensorflow as tf

        return tf.TensorSpec((self.batch_size,), tf.string, name="text")

    def _step_spec(self) -> dict[str, Any]:
        import tensorflow as tf

        encoded = self.functions(["encode"])["encode"].structured_outputs
        specs = {
            name: tf.TensorSpec((self.batch_size, *output.shape[1:]), output.dtype, name=name)
            for name, output in encoded.items()
        }
        return {"tokens": tf.TensorSpec((self.batch_size,), tf.int32, name="tokens")} | specs


def _trace(function: Callable[..., Outputs], **specs: Any) -> Any:
    """A concrete function with named arguments."""
    import tensorflow as tf

    traced = tf.function(lambda **given: function(**given), autograph=False)
    return traced.get_concrete_function(**specs)


def _padded(x: Tensor, axis: int, missing: Tensor | None) -> Tensor:
    """Append zeros for the skipped padding if `axis` is along the source.

    It is along the source if its size is unknown at tracing time.
    """
    import tensorflow as tf

    if missing is None or x.shape[axis] is not None:
        return x
    return tf.pad(x, [[0, missing if i == axis else 0] for i in range(x.shape.rank)])
