"""Write `mlserver/`, a REST and gRPC server of strings that uses the ONNX files."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.assets.description import write_json
from export.layout import MLSERVER
from keras_attention import stored
from keras_attention.export import inspection
from keras_attention.export.formats import FLOAT32
from keras_attention.export.onnx.text import lengths_of
from keras_attention.files import replacing

_SERVER = Path(__file__).parent
_FILES = (
    "guard/__init__.py",
    "guard/limits.py",
    "guard/plane.py",
    "guard/rest.py",
    "guard/rpc.py",
    "guard/server.py",
    "runtime.py",
    "serve.py",
    "settings.json",
)
_INSPECTION = ("__init__.py", "onnx.py", "wire.py")
_MOST_AT_ONCE = 8


def write_mlserver(out: Path, config: Mapping[str, Any]) -> Path:
    """Write `mlserver/`, a guarded server of `onnx/translate.onnx` with its settings.

    Args:
        out: The export, with its tokenizers.
        config: The content of `config.json`.

    Returns:
        The folder.
    """
    import onnx

    with replacing(out / MLSERVER) as folder:
        for file in _FILES:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(_SERVER / file, folder / file)
        shutil.copyfile(stored.__file__, folder / "stored.py")  # the server is without the library
        (folder / "inspection").mkdir()
        for file in _INSPECTION:
            shutil.copyfile(Path(inspection.__file__).with_name(file), folder / "inspection" / file)
        onnx.save(lengths_of((out / "source.model").read_bytes()), folder / "lengths.onnx")
        write_json(folder / "model-settings.json", _settings(config))
    return out / MLSERVER


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    width = config["search"]["beam_width"]
    return {
        "name": config["name"],
        "implementation": "runtime.Runtime",
        "platform": "onnxruntime",
        "max_batch_size": _MOST_AT_ONCE,
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": "translation", "datatype": "BYTES", "shape": [-1, width]},
            {"name": "scores", "datatype": "FP32", "shape": [-1, width]},
        ],
        "parameters": {"uri": "..", "extra": {"precision": FLOAT32, "threads": 0}},
    }
