"""Load the `.keras` files of a run, which may come from other people.

Keras builds whatever classes a file names, and TensorFlow or another library may be asked for more
than a model. A run needs few of them, so the names are checked before anything is built.
"""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import keras

from keras_attention.memory import check_fits
from keras_attention.stored import Architecture, StoredError, check_extent, checked, one_line

CLASSES = frozenset({"DTypePolicy", "CosineDecay", "LossScaleOptimizer"})
"""The classes of Keras itself that the file of a run can name."""
PACKAGES = ("keras_attention", "training")
"""The packages of the other classes, which are registered with Keras."""
_MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
_WEIGHTS = "model.weights.h5"
_MOST_BYTES = 2**20  # of the JSON members
_MOST_EXPANSION, _FEW_BYTES = 20, 2**24  # Keras compresses nothing, but somebody may have
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    OSError,
    RuntimeError,  # an encrypted member; also an unknown compression, or nested too deeply
    ValueError,
)
"""What reading an archive raises that others made."""
_DAMAGED = (*UNREADABLE, TypeError)


def load_run_model(path: Path, compile: bool = True) -> keras.Model:
    """Load a model that a training wrote.

    Args:
        path: The `.keras` file.
        compile: Whether to restore the optimizer, loss and metrics as well.

    Raises:
        ValueError: If the file is damaged, names a class that no run needs, or does not fit into
            memory.
        FileNotFoundError: If there is no such file.
    """
    try:
        config, size = _contents_of(path)
        _check_classes(config)
        inner = config.get("config")
        own = inner.get("config") if isinstance(inner, Mapping) else None
        checked(Architecture, own, "its architecture")
    except FileNotFoundError:
        raise
    except StoredError as error:
        raise ValueError(f"{path} is not a model of a run: {error}") from error
    except _DAMAGED as error:
        raise ValueError(f"{path} is a damaged archive: {one_line(error)}") from error
    check_fits(f"The weights in {path}", size)
    try:
        with _safe_mode():
            return keras.saving.load_model(path, compile=compile, safe_mode=True)
    except _DAMAGED as error:
        raise ValueError(f"{path} is not a model that can be loaded: {one_line(error)}") from error


def _contents_of(path: Path) -> tuple[Mapping[str, Any], int]:
    """The content of `config.json` in the archive, and the bytes of the weights."""
    if not path.is_file() and path.exists():
        raise StoredError("it is not a file")
    with zipfile.ZipFile(path) as archive:
        _check_members(archive.infolist())
        damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"its {damaged} is not what was written")
        size = _size_of_arrays(archive)
        text = archive.read("config.json")
    try:
        config = json.loads(text)
    except RecursionError:
        raise StoredError("its config.json is nested too deeply") from None
    except ValueError as error:
        raise StoredError(f"its config.json is not valid JSON: {error}") from error
    check_extent(config, "its config.json")
    if not isinstance(config, Mapping):
        raise StoredError("its config.json must be a section")
    return config, size


def _check_members(members: Sequence[zipfile.ZipInfo]) -> None:
    """Raise `StoredError` if an archive has other members than Keras writes, or a large one."""
    sizes = {member.filename: member.file_size for member in members}
    if set(sizes) != _MEMBERS or len(members) != len(_MEMBERS):
        raise StoredError(f"it must hold {sorted(_MEMBERS)}. Received: {sorted(sizes)[:10]}")
    for name in ("metadata.json", "config.json"):
        if sizes[name] > _MOST_BYTES:
            raise StoredError(f"its {name} must have at most {_MOST_BYTES:,} bytes")
    (stored,) = (member.compress_size for member in members if member.filename == _WEIGHTS)
    _check_expansion(sizes[_WEIGHTS], stored, "weights")


def _size_of_arrays(archive: zipfile.ZipFile) -> int:
    """The bytes of the weights, which HDF5 can also store in few."""
    import h5py

    member, sizes = archive.getinfo(_WEIGHTS), []

    def add(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            sizes.append(math.prod(item.shape or ()) * item.dtype.itemsize)

    with archive.open(member) as file, h5py.File(file, "r") as weights:
        weights.visititems(add)
    _check_expansion(sum(sizes), member.compress_size, "arrays")
    return max(member.file_size, sum(sizes))


def _check_expansion(size: int, stored: int, what: str) -> None:
    if size > max(_FEW_BYTES, _MOST_EXPANSION * stored):
        raise StoredError(f"it has {size:,} bytes of {what} in {stored:,}")


def _safe_mode() -> AbstractContextManager[None]:
    """Keras's safe mode, also where `keras.config.enable_unsafe_deserialization` was called."""
    from keras.src.saving.serialization_lib import SafeModeScope  # not public, nor is another way

    return SafeModeScope(True)


def _check_classes(config: Any) -> None:
    """Raise `StoredError` if a configuration names, at any depth, a class that no run needs."""
    for named in _named(config):
        name, module = named.get("class_name"), named.get("module")
        registered = named.get("registered_name")
        if isinstance(registered, str) and registered.split(">")[0] in PACKAGES:
            found = keras.saving.get_registered_object(registered)
            is_known = isinstance(found, type) and found.__name__ == name
        else:
            is_keras = isinstance(module, str) and module.split(".")[0] == "keras"
            is_known = registered is None and is_keras and name in CLASSES
        if not is_known:
            raise StoredError(
                "it names a class that no run needs. Received: "
                f"module={str(module)[:60]!r}, class_name={str(name)[:60]!r}, "
                f"registered_name={str(registered)[:60]!r}"
            )


def _named(config: Any) -> Iterator[Mapping[str, Any]]:
    """The sections of a configuration from which Keras would build something."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            if "class_name" in value:
                yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
