"""The packages that a format needs, each set an extra of this one."""

from __future__ import annotations

from importlib.util import find_spec

TFLITE, ONNX = "tflite", "onnx"


def check_installed(extra: str, *modules: str) -> None:
    """Raise `ModuleNotFoundError` if modules of an extra are missing."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f'Install the extra: pip install "keras-seq2seq-attention[{extra}]". '
            f"Missing: {', '.join(missing)}"
        )
