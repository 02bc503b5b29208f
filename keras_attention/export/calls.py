"""The calls with which `check` compares a file with its model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_attention.checks import fits
from keras_attention.export.functions import Function

Calls = Mapping[str, Sequence[Mapping[str, np.ndarray]]]
"""The arrays of each call by name, for each function."""


def listed_calls(inputs: Any, functions: Mapping[str, Function]) -> Calls:
    """The calls of each function as lists, with the defaults of what they leave out.

    Args:
        inputs: For each function to call, the arrays of a call by name, or a list of several calls.
        functions: The functions by name.

    Raises:
        ValueError: If a function is unknown or has no call, or a call has arrays of other names,
            shapes or dtypes than the function.
    """
    if not isinstance(inputs, Mapping) or not inputs or not set(inputs) <= set(functions):
        raise ValueError(
            "Argument `inputs` must hold calls for at least one of the functions "
            f"{tuple(functions)}, by its name. Received: {_form(inputs)}"
        )
    return {name: _of_function(name, functions[name], of_one) for name, of_one in inputs.items()}


def _form(inputs: Any) -> str:
    return f"{sorted(inputs)}" if isinstance(inputs, Mapping) else f"a {type(inputs).__name__}"


def _of_function(name: str, function: Function, inputs: Any) -> list[dict[str, np.ndarray]]:
    calls = [inputs] if isinstance(inputs, Mapping) else list(inputs)
    if not all(isinstance(call, Mapping) for call in calls):
        raise ValueError(
            "Argument `inputs` must hold the arrays of each call by name. Received: a call that "
            "is no dictionary"
        )
    if not calls:
        raise ValueError("Argument `inputs` must contain at least one call. Received: none")
    defaults = {
        key: keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(x))
        for key, x in (function.defaults or {}).items()
    }
    specs = {**function.specs, **defaults}
    dtypes = {
        key: keras.backend.standardize_dtype(x.dtype or "float32") for key, x in specs.items()
    }
    listed = [
        defaults | {key: _as_array(x, dtypes.get(key)) for key, x in call.items()} for call in calls
    ]
    for i, call in enumerate(listed):
        _check(name, specs, dtypes, call, i)
    return listed


def _as_array(x: Any, dtype: str | None) -> np.ndarray:
    """Any value as an array; Python's numbers have no dtype of their own."""
    is_typed = hasattr(x, "dtype") or dtype == "string"
    return np.asarray(x) if is_typed else np.asarray(x, dtype)


def _check(
    name: str,
    specs: Mapping[str, Any],
    dtypes: Mapping[str, str],
    call: Mapping[str, np.ndarray],
    i: int,
) -> None:
    if set(call) != set(specs):
        raise ValueError(
            f"Argument `inputs` must give `{name}` its inputs {sorted(specs)}. "
            f"Received: call {i} with {sorted(call)}"
        )
    for key, spec in specs.items():
        found, dtype = call[key], dtypes[key]
        if not fits(found.shape, spec.shape):
            raise ValueError(
                f"Argument `inputs` must give `{name}` an array `{key}` of shape "
                f"{tuple(spec.shape)}. Received: call {i} with {found.shape}"
            )
        if found.dtype.name != dtype and not (dtype == "string" and found.dtype.kind in "SUO"):
            raise ValueError(
                f"Argument `inputs` must give `{name}` an array `{key}` of dtype {dtype}. "
                f"Received: call {i} with {found.dtype}"
            )
