"""The `.keras` file of a run that somebody else wrote: damaged, or made to run code."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention.memory import LIMIT
from keras_attention.text import archives
from keras_attention.text.archives import load_run_model
from tests.arrays import to_numpy

INPUTS = {"source": np.array([[4, 5, 2]]), "target": np.array([[1, 6, 7]])}


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a small model."""
    config = ka.Seq2SeqConfig(9, 8, embedding_size=3, encoder_units=2, decoder_units=4)
    model = ka.Seq2Seq(replace(config, attention_units=3))
    path = tmp_path_factory.mktemp("archive") / "model.keras"
    model.save(path)
    return path.read_bytes()


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path: Path, parts: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return path


def with_config(path: Path, content: bytes, change: Callable[[Any], Any]) -> Path:
    parts = members(content)
    config = change(json.loads(parts["config.json"]))
    text = config if isinstance(config, bytes) else json.dumps(config).encode()
    return written(path, {**parts, "config.json": text})


def test_a_run_model_is_loaded_as_it_was(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    expected = keras.saving.load_model(path, compile=False)
    model = load_run_model(path, compile=False)
    np.testing.assert_array_equal(to_numpy(model(INPUTS)), to_numpy(expected(INPUTS)))


class Evil:
    def __reduce__(self) -> Any:
        return print, ("evil",)


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "a pickle": lambda whole: pickle.dumps(Evil()),
    "its first tenth": lambda whole: whole[: len(whole) // 10],
    "without its last byte": lambda whole: whole[:-1],
    "a page": lambda whole: b"<html>",
    "an HDF5 file": lambda whole: b"\x89HDF\r\n\x1a\n" + bytes(500),
    "changed weights": lambda whole: (
        whole[: len(whole) // 2]
        + bytes(x ^ 0xFF for x in whole[len(whole) // 2 : len(whole) // 2 + 50])
        + whole[len(whole) // 2 + 50 :]
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(DAMAGED[name](content))
    with pytest.raises(ValueError, match=r"model.keras is a damaged archive: ") as caught:
        load_run_model(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda parts: {**parts, "../../evil": b"x"}, r"must hold \['config.json'"),
        (lambda parts: {**parts, "assets/evil": b"x"}, r"must hold \['config.json'"),
        (lambda parts: {k: x for k, x in parts.items() if k != "metadata.json"}, "must hold"),
        (lambda parts: {**parts, "config.json": b"{"}, "config.json is not valid JSON"),
        (lambda parts: {**parts, "config.json": b"[" * 10**5}, "nested too deeply"),
        (lambda parts: {**parts, "config.json": b"[1]"}, "must be a section"),
        (lambda parts: {**parts, "config.json": b" " * (2**20 + 1)}, "at most 1,048,576 bytes"),
        (lambda parts: {**parts, "model.weights.h5": b"x"}, "is a damaged archive: "),
    ],
)
def test_an_archive_of_something_else(
    change: Any, message: str, content: bytes, tmp_path: Path
) -> None:
    path = written(tmp_path / "model.keras", change(members(content)))
    with pytest.raises(ValueError, match=message):
        load_run_model(path)
    assert not (tmp_path.parent / "evil").exists()


OWN = "keras_attention>Seq2Seq"


def dtype(**changes: Any) -> Callable[[Any], Any]:
    """Put something else in place of the dtype policy, which Keras would build."""
    return lambda config: {**config, "config": {**config["config"], "dtype": changes}}


@pytest.mark.parametrize(
    "change",
    [
        lambda config: {**config, "module": "os", "class_name": "system", "registered_name": None},
        lambda config: {**config, "registered_name": "evil>Model"},
        lambda config: {**config, "registered_name": "keras_attention>Absent"},
        dtype(module="builtins", class_name="function", config="eval", registered_name="function"),
        dtype(module="keras.layers", class_name="Lambda", config={}, registered_name=None),
        dtype(module="keras.utils", class_name="get_file", config={}, registered_name=None),
        dtype(module="keras.layers", class_name="TFSMLayer", config={}, registered_name=None),
        dtype(module="keras_attention.os", class_name="DTypePolicy", registered_name=None),
        dtype(class_name="__lambda__", config={"value": "x"}),
        dtype(class_name="__numpy__", config={"value": [1], "dtype": "object"}),
        dtype(class_name="__lambda__", config={"value": "x"}, registered_name=OWN),
        dtype(class_name="function", module="os", config="system", registered_name=OWN),
        dtype(class_name="Lambda", module="keras.layers", config={}, registered_name=OWN),
        dtype(class_name=["Seq2Seq"], config={}, registered_name=OWN),
        lambda config: {**config, "compile_config": {"loss": {"class_name": "function"}}},
    ],
)
@pytest.mark.parametrize("unsafe", [False, True])
def test_classes_that_no_run_needs_are_refused(
    unsafe: bool, change: Any, content: bytes, tmp_path: Path
) -> None:
    path = with_config(tmp_path / "model.keras", content, change)
    if unsafe:
        keras.config.enable_unsafe_deserialization()
    try:
        with pytest.raises(ValueError, match=r"names a class that no run needs. Received: module="):
            load_run_model(path, compile=False)
    finally:
        keras.src.backend.common.global_state.set_global_attribute("safe_mode_saving", None)


def test_safe_mode_holds_even_if_it_is_disabled(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses code even if a class that no run needs were taken for another."""
    value = keras.src.utils.python_utils.func_dump(lambda: None)

    def change(config: Any) -> Any:
        return {"class_name": "__lambda__", "config": {**config["config"], "value": value}}

    path = with_config(tmp_path / "model.keras", content, change)
    monkeypatch.setattr(archives, "_check_classes", lambda config: None)
    keras.config.enable_unsafe_deserialization()
    try:
        with pytest.raises(ValueError, match="deserialization of a Python lambda"):
            load_run_model(path, compile=False)
        assert keras.src.saving.serialization_lib.in_safe_mode() is False
    finally:
        keras.src.backend.common.global_state.set_global_attribute("safe_mode_saving", None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source_vocabulary": "x"}, "`source_vocabulary` must be an integer"),
        ({"encoder_layers": 3000}, "`encoder_layers` must be from 1 to 64"),
        ({"encoder_units": 10**9}, "`encoder_units` must be from 1 to 65,536"),
        ({"alignment": "evil"}, "`alignment` must be one of"),
        ({"alignment_options": {"evil": 1}}, "not a model that can be loaded.*`alignment_options`"),
        ({"evil": 1}, "unknown field `evil`"),
    ],
)
def test_an_architecture_out_of_bounds(
    changes: dict[str, Any], message: str, content: bytes, tmp_path: Path
) -> None:
    def change(config: Any) -> Any:
        config["config"]["config"].update(changes)
        return config

    path = with_config(tmp_path / "model.keras", content, change)
    with pytest.raises(ValueError, match=message):
        load_run_model(path, compile=False)


def test_weights_that_do_not_fit(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    monkeypatch.setenv(LIMIT, "1000")
    with pytest.raises(ValueError, match=r"The weights in .*model.keras need at least"):
        load_run_model(path)


def with_weights(path: Path, content: bytes, change: Callable[[Any], None]) -> Path:
    """Change an array of the weights."""
    parts = members(content)
    file = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(file, "r+") as weights:
        change(weights)
    return written(path, {**parts, "model.weights.h5": file.getvalue()})


ARRAY = "layers/attention_decoder/attention/vars/0"


def large(weights: Any) -> None:
    del weights[ARRAY]
    weights.create_dataset(ARRAY, shape=(2**30,), dtype="float32", chunks=(1024,))


def test_few_bytes_that_become_many(content: bytes, tmp_path: Path) -> None:
    parts = {**members(content), "model.weights.h5": bytes(2**27)}
    with pytest.raises(ValueError, match=r"it has 134,217,728 bytes of weights in [\d,]+$"):
        load_run_model(written(tmp_path / "model.keras", parts))
    with pytest.raises(ValueError, match=r"it has 4,29\d,\d{3},\d{3} bytes of arrays in [\d,]+$"):
        load_run_model(with_weights(tmp_path / "model.keras", content, large))


@pytest.mark.parametrize("kind", ["link", "raw", "virtual"])
def test_weights_from_another_file(kind: str, content: bytes, tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    raw = tmp_path / "raw"

    def change(weights: Any) -> None:
        array = weights[ARRAY][()]
        with h5py.File(other, "w") as file:
            file["x"] = array
        raw.write_bytes(array.tobytes())
        del weights[ARRAY]
        if kind == "link":
            weights[ARRAY] = h5py.ExternalLink(str(other), "/x")
        elif kind == "raw":
            weights.create_dataset(ARRAY, array.shape, array.dtype, external=str(raw))
        else:
            layout = h5py.VirtualLayout(array.shape, array.dtype)
            layout[...] = h5py.VirtualSource(str(other), "x", array.shape)
            weights.create_virtual_dataset(ARRAY, layout)

    path = with_weights(tmp_path / "model.keras", content, change)
    with pytest.raises(ValueError, match="not a model that can be loaded"):
        load_run_model(path, compile=False)


def test_users_load_what_they_like(tmp_path: Path) -> None:
    """`keras.saving.load_model` itself is not touched."""
    inputs = keras.Input((2,))
    model = keras.Model(
        inputs, ka.attention.AttentionPooling(3)(keras.layers.Reshape((2, 1))(inputs))
    )
    model.save(tmp_path / "own.keras")
    keras.saving.load_model(tmp_path / "own.keras")
    with pytest.raises(ValueError, match="names a class that no run needs"):
        load_run_model(tmp_path / "own.keras")
    with pytest.raises(FileNotFoundError):
        load_run_model(tmp_path / "absent.keras")
