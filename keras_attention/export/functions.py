"""What is exported: functions of named tensors over a model, or its call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from keyword import iskeyword
from pathlib import Path
from typing import Any, NamedTuple

import keras

from keras_attention.export.naming import named
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


def check_exportable(model: keras.Model, verbose: bool = False) -> None:
    """Raise an error unless this is a built model of TensorFlow, and the flag is one."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Models are exported by TensorFlow: load the `.keras` file with "
            f"KERAS_BACKEND=tensorflow. Received: backend={keras.backend.backend()!r}"
        )
    check_is_model(model)
    if not isinstance(verbose, int):
        raise TypeError(
            "Argument `verbose` must be True or False; give `input_signature` and `functions` by "
            f"name. Received: verbose={verbose!r}"
        )
    if not model.built:
        raise ValueError(
            f"Argument `model` must be built: call it once. Received: {model.name}, not built"
        )


def check_is_model(model: Any) -> None:
    """Raise `TypeError` unless this is a Keras model."""
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"Argument `model` must be a Keras model. Received: a {type(model).__name__}"
        )


def checked_functions(
    model: keras.Model, signature: Nest | None, functions: Functions | None
) -> dict[str, Function]:
    """The functions to export, or the model's call, after checking their form.

    Raises:
        TypeError: If a function is not a `Function` or a pair like it, or they have no names.
        ValueError: If there is none, a name is not an identifier, or inputs are not known.
    """
    if functions is None:
        call = call_of(model, signature)
        _check_names(call.specs)
        return {CALL: call}
    if not isinstance(functions, Mapping):
        raise TypeError(
            "Argument `functions` must be a dictionary of functions by name. "
            f"Received: a {type(functions).__name__}"
        )
    given = {}
    for name, one in functions.items():
        if not isinstance(one, tuple) or len(one) < 2 or not isinstance(one[1], Mapping):
            raise TypeError(
                "Argument `functions` must hold a pair for each name: a function of named tensors, "
                f"and a dictionary of their specs. Received: functions[{name!r}]={one!r}"
            )
        given[name] = Function(*one)
        _check_names((name.replace(".", "_"), *given[name].specs))
    if not given:
        raise ValueError("Argument `functions` must hold at least one function. Received: none")
    return given


def _check_names(names: Iterable[Any]) -> None:
    for name in names:
        if not str(name).isidentifier() or iskeyword(str(name)):
            raise ValueError(
                "Functions and inputs must have names that are Python identifiers: rename the "
                "`keras.Input`, or the key in `input_signature` or `functions`. "
                f"Received: {name!r}"
            )


def check_is_no_folder(path: Path) -> None:
    """Raise `IsADirectoryError` if the path of a file is that of a folder."""
    if path.is_dir():
        raise IsADirectoryError(f"Argument `path` must be that of a file. Received: folder {path}")


def refuse_dtypes(format_name: str, model: keras.Model, dtypes: Iterable[str]) -> None:
    """Raise `ValueError` if a layer computes in one of the dtypes, which a format cannot."""
    found = sorted({layer.compute_dtype for layer in model._flatten_layers()} & set(dtypes))
    if found:
        raise ValueError(
            f"{format_name} cannot compute in {found[0]}: build the model after "
            "keras.config.set_dtype_policy('float32'), and set its weights to those of this one. "
            f"Received: {model.name} with layers in {found}"
        )


def refuse_defaults(format_name: str, given: Mapping[str, Function]) -> None:
    """Raise `ValueError` if a function has defaults, which SavedModels alone record."""
    names = [name for name, function in given.items() if function.defaults]
    if names:
        raise ValueError(
            f"{format_name} has no inputs with defaults: export these functions as a SavedModel. "
            f"Received: functions={names}"
        )


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


def _inputs_of(model: keras.Model) -> Nest | None:
    """The symbolic inputs of a functional or sequential model; None if the model is subclassed."""
    inputs = getattr(model, "inputs", None)
    if not inputs:
        return None
    return inputs[0] if isinstance(model, keras.Sequential) else model.input


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
