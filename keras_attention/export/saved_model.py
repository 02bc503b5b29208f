"""Write SavedModels that hold raw variables and traced functions alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import keras

from keras_attention.export.functions import Functions, check_exportable
from keras_attention.export.operations import PYTHON, one_line
from keras_attention.export.tracing import Exportable, ModelFunctions
from keras_attention.files import replacing
from keras_attention.types import Nest


def to_saved_model(
    model: keras.Model,
    path: str | Path,
    verbose: bool = False,
    input_signature: Nest | None = None,
    *,
    functions: Functions | None = None,
    batch_size: int | None = None,
) -> Path:
    """Write a Keras model as a SavedModel, with raw variables and traced functions alone.

    Inputs and outputs have names: the keys of dictionaries and the fields of named tuples, the
    names of `keras.Input`, else `input_0`, `output_0` and so on. TensorFlow loads it without Keras,
    also in a session, as TensorFlow Serving does.

    Args:
        model: A functional or subclassed model, built, on the TensorFlow backend.
        path: The folder; missing, empty or a SavedModel, which is replaced.
        verbose: Whether to print what was written.
        input_signature: The specs of the inputs of a subclassed model, for example
            `{"source": keras.InputSpec(shape=(None, None), dtype="int32")}`, in the form in which
            it takes them; None for those of a functional model. For a model whose `call` takes
            several tensors as arguments of their own, write a function instead.
        functions: Functions over the model instead of its call, as signatures: for each name a
            function of named tensors and the specs of its inputs by name; see `Function`, and
            `search_functions` for a model that searches.
        batch_size: The batch size where it is unknown; None to leave it open.

    Returns:
        The path.

    Raises:
        ValueError: If Keras runs on another backend, the model is not built, its inputs are not
            known, or a function looks up a table outside of the model.
        FileExistsError: If `path` contains anything other than a SavedModel.
        RuntimeError: If what was written does not contain each weight exactly once.

    Example:
        >>> import tempfile
        >>> import keras
        >>> import keras_attention as ka
        >>> inputs = keras.Input((None, 3), name="readings")
        >>> model = keras.Model(inputs, ka.attention.AttentionPooling(4)(inputs))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = ka.export.to_saved_model(model, f"{folder}/model")
        ...     sorted(file.name for file in path.iterdir())
        ['assets', 'fingerprint.pb', 'saved_model.pb', 'variables']
    """
    check_exportable(model, verbose)
    path = Path(path)
    if path.exists() and not ((path / "saved_model.pb").exists() or _is_empty(path)):
        raise FileExistsError(
            f"Argument `path` must be a new folder or a SavedModel to replace. Received: {path}"
        )
    exported = ModelFunctions(model, input_signature, functions, batch_size)
    exported.check_operations(PYTHON)
    save(exported, path, exported.names)
    exported.announce(path, verbose)
    return path


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def save(serving: Exportable, path: Path, names: Sequence[str], default: str | None = None) -> Path:
    """Write one SavedModel with the functions `names` as its signatures.

    Args:
        serving: The functions and variables, for example a `ServingModule`.
        path: The folder; replaced if it exists.
        names: The names of the signatures.
        default: The signature that is also the `serving_default`.

    Returns:
        The path.

    Raises:
        RuntimeError: If the SavedModel does not contain each weight exactly once.
    """
    import tensorflow as tf

    signatures = serving.functions(names)
    if default is not None:
        signatures["serving_default"] = signatures[default]
    module = serving.module(names)
    options = tf.saved_model.SaveOptions(save_debug_info=False)
    with replacing(path) as fresh:
        try:
            tf.saved_model.save(module, str(fresh), signatures=signatures, options=options)
        except AssertionError as error:  # several lines about untracked resources
            raise ValueError(
                "Functions may look up only tables in layers of the model, such as a StringLookup. "
                f"Received: {one_line(error)}"
            ) from error
        _without_chance(fresh / "fingerprint.pb")
        written = sum(file.stat().st_size for file in fresh.glob("variables/*.data-*"))
        check_size(serving, f"SavedModel {path}", written, most_else=100_000)
    return path


def _without_chance(fingerprint: Path) -> None:
    """Replace the random id that TensorFlow writes by a hash of the other fields."""
    from tensorflow.core.protobuf.fingerprint_pb2 import FingerprintDef

    content = FingerprintDef.FromString(fingerprint.read_bytes())
    content.ClearField("uuid")
    digest = hashlib.sha256(content.SerializeToString(deterministic=True)).digest()
    content.uuid = str(int.from_bytes(digest[:16], "big"))
    fingerprint.write_bytes(content.SerializeToString(deterministic=True))


def check_size(
    serving: Exportable, artefact: str, written: int, most_else: int, bytes_each: int = 4
) -> None:
    """Check the size of an artefact: saving can silently omit or duplicate weights.

    Args:
        serving: What was written.
        artefact: The artefact, for the error message.
        written: The size in bytes of what contains the weights.
        most_else: The maximum number of bytes besides the weights.
        bytes_each: The maximum number of bytes per weight.

    Raises:
        RuntimeError: If the artefact cannot contain each weight exactly once.
    """
    expected = sum(
        weight.shape.num_elements() * min(weight.dtype.size, bytes_each)
        for weight in serving.weights
    )
    if not expected <= written <= expected * 1.1 + most_else:
        raise RuntimeError(
            f"The {artefact} must contain each weight once, {expected} bytes in total. "
            f"Received: {written} bytes"
        )
