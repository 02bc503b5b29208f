"""What is exported: traced functions of a model with named tensors, and its raw variables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import keras

from keras_attention.checks import check_positive
from keras_attention.export.formats import FLOAT32, INT8
from keras_attention.export.litert_workspace import with_reserved_workspace
from keras_attention.export.quantize import int8_embeddings
from keras_attention.model.generation import StepModel
from keras_attention.text.tokenizer import SentencePieceTokenizer
from keras_attention.types import Nest, Tensor

CALL = "serving_default"
"""The name of a model's call among the functions of a file."""


class Function(NamedTuple):
    """A function to export; `(call, specs)` is enough where one is expected.

    Attributes:
        call: A function of named tensors, written with `keras.ops`, that returns a nest of tensors.
        specs: The spec of each input by name: anything with a `shape` and a `dtype`, for example a
            `keras.InputSpec`.
        defaults: Further inputs with these values where a caller gives none, which a SavedModel
            records for servers.
        hypotheses: Hypotheses per row, K, for which LiteRT's workspace is reserved.
        text: Of a function on strings, its tokenizers and what stands between them.

    Example:
        >>> import tempfile
        >>> import keras
        >>> import keras_attention as ka
        >>> inputs = keras.Input((None, 3), name="readings")
        >>> model = keras.Model(inputs, ka.attention.AttentionPooling(4)(inputs))
        >>> def halved(readings):
        ...     return {"half": model(readings) / 2}
        >>> spec = keras.InputSpec(shape=(None, None, 3), dtype="float32")
        >>> functions = {"halved": ka.export.Function(halved, {"readings": spec})}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = ka.export.to_onnx(model, folder, functions=functions)
        ...     [file.name for file in path.iterdir()]
        ['halved.onnx']
    """

    call: Callable[..., Any]
    specs: Mapping[str, Any]
    defaults: Mapping[str, Any] | None = None
    hypotheses: int = 1
    text: OfText | None = None


class OfText(NamedTuple):
    """What a function on strings is made of.

    Attributes:
        on_ids: The same function on ids, for formats whose tokenizers are operations of their own.
        tokenizers: The source and target tokenizers.
        graphs: The same for TensorFlow, which the function uses.
        max_source_length: Maximum number of source tokens, including the end token.
    """

    on_ids: Function
    tokenizers: tuple[SentencePieceTokenizer, SentencePieceTokenizer]
    graphs: list[Any]
    max_source_length: int | None


Functions = Mapping[str, Function | tuple[Callable[..., Any], Mapping[str, Any]]]
"""Functions by name."""


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
        embeddings = int8_embeddings(model) if precision == INT8 else nullcontext()
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
        """The `tf.Module` to save with the functions: only variables and tokenizers."""
        import tensorflow as tf

        module = tf.Module(name="model")
        module.weights = self.weights
        texts = [self.given[name].text for name in names or self.names]
        module.tokenizers = [graph for text in texts if text for graph in text.graphs]
        return module

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
        function = self.given[name]
        if self.longest is not None and is_open:
            inputs = with_reserved_workspace(inputs, self.model, self.longest, function.hypotheses)
        outputs = dict(named(function.call(**inputs)))
        if not outputs:
            raise ValueError(f"The function `{name}` must return tensors. Received: none")
        return {key: tf.identity(x, key) for key, x in outputs.items()}


def check_exportable(model: keras.Model) -> None:
    """Raise an error unless this is a built model of TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Models are exported by TensorFlow: load the `.keras` file with "
            f"KERAS_BACKEND=tensorflow. Received: backend={keras.backend.backend()!r}"
        )
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"Argument `model` must be a Keras model. Received: a {type(model).__name__}"
        )
    if not model.built:
        raise ValueError(
            f"Argument `model` must be built: call it once. Received: {model.name}, not built"
        )


def checked_functions(
    model: keras.Model, signature: Nest | None, functions: Functions | None
) -> dict[str, Function]:
    """The functions to export, or the model's call, after checking their form.

    Raises:
        TypeError: If a function is not a `Function` or a pair like it.
        ValueError: If there is none, a name is not an identifier, or inputs are not known.
    """
    if functions is None:
        return {CALL: call_of(model, signature)}
    given = {}
    for name, one in functions.items():
        if not isinstance(one, tuple) or len(one) < 2 or not isinstance(one[1], Mapping):
            raise TypeError(
                "Argument `functions` must hold a pair for each name: a function of named tensors, "
                f"and a dictionary of their specs. Received: functions[{name!r}]={one!r}"
            )
        given[name] = Function(*one)
        for text in (name.replace(".", "_"), *given[name].specs):
            if not str(text).isidentifier():
                raise ValueError(
                    "Argument `functions` must have names that are Python identifiers, for the "
                    f"functions and their inputs. Received: {text!r}"
                )
    if not given:
        raise ValueError("Argument `functions` must hold at least one function. Received: none")
    return given


def _check_reads(model: keras.Model, read: Sequence[Any]) -> None:
    """Raise `ValueError` if functions read numbers, but none of the model's."""
    own = {id(variable.value) for variable in model.variables}
    read = [variable for variable in read if variable.dtype.is_floating]  # no seeds
    if read and own and not any(id(variable) in own for variable in read):
        raise ValueError(
            "Argument `functions` must be functions over `model`. Received: functions that read "
            "none of its variables, but those of another model"
        )


def without_defaults(format_name: str, given: Mapping[str, Function]) -> None:
    """Raise `ValueError` if a function has defaults, which SavedModels alone record."""
    names = [name for name, function in given.items() if function.defaults]
    if names:
        raise ValueError(
            f"{format_name} has no inputs with defaults: export these functions as a SavedModel. "
            f"Received: functions={names}"
        )


def check_operations(traced: Any, forbidden: Mapping[str, str]) -> None:
    """Raise `ValueError` if a traced function has an operation that a format must not contain.

    Args:
        traced: The concrete function.
        forbidden: What each kind of operation is, by the beginning of its name in TensorFlow.
    """
    graph = concrete(traced).graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    for node in nodes:
        for beginning, reason in forbidden.items():
            if node.op.startswith(beginning):
                raise ValueError(f"The model cannot be exported: {reason}. Received: {node.op}")


ARGMAX = "express ops.argmax(x) as ops.top_k(x, 1)[1], and ops.argmin likewise"
PYTHON = dict.fromkeys(
    ("PyFunc", "EagerPyFunc"), "it calls a Python function, which is not in the file"
)
RANDOM = dict.fromkeys(
    ("Random", "StatelessRandom", "StatelessTruncated", "StatelessMultinomial", "StatefulUniform"),
    "it draws random numbers, which the file would freeze; make them an input of a function",
)
"""Operations that a file must not contain; see `check_operations`."""


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


def call_of(model: keras.Model, signature: Nest | None) -> Function:
    """The model's call as a function of named tensors, without dropout."""
    if signature is None:
        signature = _inputs_of(model)
    if signature is None and isinstance(model, StepModel):
        raise ValueError(
            "Argument `functions` must hold the functions of a model that decodes step by step: "
            "functions=ka.export.search_functions(model). Received: None"
        )
    if signature is None:
        raise ValueError(
            "Argument `input_signature` must give the inputs of a subclassed model, in the form in "
            "which it takes them. Received: None"
        )
    return of_named_inputs(partial(model, training=False), signature, named(signature, "input"))


def of_named_inputs(
    call: Callable[[Nest], Any], signature: Nest, by_name: Iterable[tuple[str, Any]]
) -> Function:
    """A function of one nest as a function of named tensors.

    Args:
        call: The function.
        signature: The specs of its tensors, in the form in which it takes them.
        by_name: The specs with a name for each that has none of its own.
    """
    has_names = isinstance(signature, Mapping)
    specs = {name if has_names else _own_name(spec) or name: spec for name, spec in by_name}
    names = {id(spec): name for name, spec in specs.items()}

    def on_named(**inputs: Tensor) -> Any:
        ordered = keras.tree.map_structure(lambda spec: inputs[names[id(spec)]], signature)
        return call(ordered)

    return Function(on_named, specs)


def _own_name(spec: Any) -> str | None:
    """The name of a spec, unless Keras numbered it."""
    name = getattr(spec, "name", None)
    return None if name is None or name.startswith("keras_tensor") else name


def _inputs_of(model: keras.Model) -> Nest | None:
    """The symbolic inputs of a functional or sequential model; None if the model is subclassed."""
    inputs = getattr(model, "inputs", None)
    if not inputs:
        return None
    return inputs[0] if isinstance(model, keras.Sequential) else model.input


def one_line(error: Exception) -> str:
    """The first line of an error's message, or its type if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def named(nest: Any, name: str = "output", is_inside: bool = False) -> Iterator[tuple[str, Any]]:
    """Names and tensors of a nest: keys and fields, and `NAME_0`, `NAME_1`, ... elsewhere."""
    if nest is None:
        return
    items: Any = None
    if isinstance(nest, Mapping):
        items = nest.items()
    elif hasattr(nest, "_fields"):
        items = zip(nest._fields, nest, strict=True)
    if items is not None:
        for key, value in items:
            yield from named(value, f"{name}_{key}" if is_inside else str(key), True)
    elif isinstance(nest, list | tuple):
        for i, value in enumerate(nest):
            yield from named(value, f"{name}_{i}", True)
    else:
        yield (name if is_inside else f"{name}_0"), nest
