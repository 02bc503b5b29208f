"""Functions of a model, traced for TensorFlow, and the raw variables that they read."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import keras

from keras_attention.checks import check_positive
from keras_attention.export.formats import FLOAT32, INT8
from keras_attention.export.functions import Functions, check_exportable, checked_functions
from keras_attention.export.litert_workspace import with_reserved_workspace
from keras_attention.export.naming import named
from keras_attention.export.operations import check_operations
from keras_attention.export.quantize import embeddings_traced_in_int8
from keras_attention.types import Nest, Tensor


class Exportable(Protocol):
    """What the writers of files need.

    Attributes:
        weights: The TensorFlow variables that the functions read.
        batch_size: The batch size of the functions; None for any.
    """

    weights: list[Any]
    batch_size: int | None

    def functions(self, names: Sequence[str]) -> dict[str, Any]:
        """The traced functions of these names."""
        ...

    def module(self, names: Sequence[str]) -> Any:
        """The `tf.Module` to save with these functions."""
        ...


class ModelFunctions:
    """Functions of any Keras model, traced once each.

    Args:
        model: The model, built, on the TensorFlow backend.
        input_signature: The specs of the model's inputs, in the form in which it takes them; None
            for those of a functional model.
        functions: Functions over the model in place of its call.
        batch_size: The size of each input's first axis where it is unknown; None to leave it open.
        longest: The length that most inputs do not exceed, for which LiteRT's workspace is
            reserved; None to reserve nothing.
        precision: With `"int8"`, embeddings look up 8-bit tables.

    Attributes:
        given: The functions by name.
        names: Their names.
        specs: For each function, the specs of its inputs by name.
        weights: The TensorFlow variables that the functions read.

    Raises:
        ValueError: If Keras runs on another backend, the model is not built, the inputs are not
            known, or a function gives no tensor.
    """

    def __init__(
        self,
        model: keras.Model,
        input_signature: Nest | None = None,
        functions: Functions | None = None,
        batch_size: int | None = None,
        longest: int | None = None,
        precision: str = FLOAT32,
    ) -> None:
        check_exportable(model)
        for name, size in (("batch_size", batch_size), ("longest", longest)):
            if size is not None:
                check_positive(name, size)
        self.model, self.batch_size, self.longest = model, batch_size, longest
        self.given = checked_functions(model, input_signature, functions)
        self.names = tuple(self.given)
        self.specs = {name: self._specs(name, one.specs) for name, one in self.given.items()}
        embeddings = embeddings_traced_in_int8(model) if precision == INT8 else nullcontext()
        with without_cudnn(model), embeddings:
            self._traced = {name: self._trace(name) for name in self.names}
            traced = [concrete(function) for function in self._traced.values()]
            read = [variable for function in traced for variable in function.variables]
        _check_reads(model, read)
        self.weights = list({id(variable): variable for variable in read}.values())

    def functions(self, names: Sequence[str] | None = None) -> dict[str, Any]:
        """The traced functions of these names, all by default; concrete without defaults."""
        return {name: self._traced[name] for name in names or self.names}

    def module(self, names: Sequence[str] | None = None) -> Any:
        """The `tf.Module` to save with the functions: only variables, tokenizers and tables."""
        import tensorflow as tf

        module = tf.Module(name="model")
        module.weights = self.weights
        texts = [self.given[name].text for name in names or self.names]
        module.tokenizers = [graph for text in texts if text for graph in text.graphs]
        layers = self.model._flatten_layers()
        module.tables = [layer.lookup_table for layer in layers if hasattr(layer, "lookup_table")]
        return module

    def check_operations(self, forbidden: Mapping[str, str]) -> None:
        """Raise `ValueError` if a function has one of these operations; see `operations`."""
        check_operations(map(concrete, self._traced.values()), forbidden)

    def announce(self, path: Path, verbose: bool) -> None:
        """Say what was written, if asked to."""
        if verbose:
            inputs = [f"{name}({', '.join(specs)})" for name, specs in self.specs.items()]
            print(f"Wrote {path} with {', '.join(inputs)}")  # noqa: T201

    def _specs(self, function: str, given: Mapping[str, Any]) -> dict[str, Any]:
        import tensorflow as tf

        specs = {}
        for name, spec in given.items():
            shape = getattr(spec, "shape", None)
            if shape is None:
                raise ValueError(
                    "Argument `input_signature` must give the shape of every input, for example "
                    'keras.InputSpec(shape=(None, 7), dtype="float32"). Received for '
                    f"`{function}`: {name}={spec}"
                )
            sizes = [None if size is None else int(size) for size in shape]
            if sizes and sizes[0] is None:
                sizes[0] = self.batch_size
            dtype = keras.backend.standardize_dtype(spec.dtype or "float32")
            specs[name] = tf.TensorSpec(sizes, dtype, name=name)
        return specs

    def _trace(self, name: str) -> Any:
        import tensorflow as tf

        run, defaults = partial(self._run, name), self.given[name].defaults
        if defaults:
            return with_defaults(run, self.specs[name], defaults)
        traced = tf.function(run, autograph=False)
        return traced.get_concrete_function(**self.specs[name])

    def _run(self, name: str, **inputs: Tensor) -> dict[str, Tensor]:
        import tensorflow as tf

        is_open = any(None in spec.shape.as_list() for spec in self.specs[name].values())
        if self.longest is not None and is_open:
            most = max(function.hypotheses for function in self.given.values())
            inputs = with_reserved_workspace(inputs, self.model, self.longest, most)
        outputs = dict(named(self.given[name].call(**inputs)))
        if not outputs:
            raise ValueError(f"The function `{name}` must return tensors. Received: none")
        return {key: tf.identity(x, key) for key, x in outputs.items()}


def _check_reads(model: keras.Model, read: Sequence[Any]) -> None:
    """Raise `ValueError` if functions read numbers, but none of the model's."""
    own = {id(variable.value) for variable in model.variables}
    read = [variable for variable in read if variable.dtype.is_floating]  # no seeds
    if read and own and not any(id(variable) in own for variable in read):
        raise ValueError(
            "Argument `functions` must be functions over `model`. Received: functions that read "
            "none of its variables, but those of another model"
        )


def concrete(traced: Any) -> Any:
    """The concrete function of a traced one, which has others beside it if it has defaults."""
    return traced.get_concrete_function() if hasattr(traced, "get_concrete_function") else traced


def with_defaults(
    call: Callable[..., Any], specs: Mapping[str, Any], defaults: Mapping[str, Any]
) -> Any:
    """Trace a function some of whose inputs have default values, which a SavedModel records.

    Args:
        call: A function of named tensors.
        specs: The specs of the inputs without a default.
        defaults: The values of the others.

    Returns:
        A `tf.function`, traced.
    """
    import tensorflow as tf

    values = {name: tf.constant(value) for name, value in defaults.items()}
    options = {name: tf.TensorSpec((), value.dtype, name=name) for name, value in values.items()}
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD

    def run(*given: Tensor) -> Any:
        return call(**dict(zip([*specs, *values], given, strict=True)))

    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, kind) for name in specs]
        + [inspect.Parameter(name, kind, default=value) for name, value in values.items()]
    )
    signature = [*specs.values(), *options.values()]
    function = tf.function(run, input_signature=signature, autograph=False)
    function.get_concrete_function()
    return function


@contextmanager
def without_cudnn(model: keras.Model) -> Iterator[None]:
    """Disable cuDNN's recurrence, which Keras traces on a GPU and which runs nowhere else."""
    layers = [layer for layer in model._flatten_layers() if hasattr(layer, "use_cudnn")]
    before = [layer.use_cudnn for layer in layers]
    try:
        for layer in layers:
            layer.use_cudnn = False
        yield
    finally:
        for layer, value in zip(layers, before, strict=True):
            layer.use_cudnn = value
