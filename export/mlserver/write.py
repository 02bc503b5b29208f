"""Write `mlserver/`, a REST and gRPC server of strings that uses the ONNX files."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.assets.description import write_json
from export.layout import MLSERVER
from export.mlserver.deployment import write_deployment
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
_STORED = ("bounds", "checking", "exports", "reading", "runs", "showing")
_WITHOUT_THE_LIBRARY = {
    stored: ("__init__.py", *(f"{name}.py" for name in _STORED)),
    inspection: ("__init__.py", "onnx.py", "wire.py"),
}
"""Parts of the library that the server has copies of."""
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
        for package, names in _WITHOUT_THE_LIBRARY.items():
            source = Path(str(package.__file__)).parent
            (folder / source.name).mkdir()
            for name in names:
                shutil.copyfile(source / name, folder / source.name / name)
        onnx.save(lengths_of((out / "source.model").read_bytes()), folder / "lengths.onnx")
        write_json(folder / "model-settings.json", _settings(config))
        write_deployment(folder, config["name"])
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
