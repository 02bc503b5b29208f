"""Write a page that translates in the browser, with tokenizers in JSON."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

from export.layout import BROWSER
from keras_attention.text.conversion import MODEL_TYPES, model_proto

_PAGE = Path(__file__).with_name("page")
_NORMAL, _USER_DEFINED, _BYTE = 1, 4, 6  # of ModelProto.SentencePiece.Type


def write_page(out: Path) -> Path:
    """Write `browser/`, a page that uses the ONNX files of the export.

    Args:
        out: The export, with its tokenizers.

    Returns:
        The path of the page.
    """
    folder = out / BROWSER
    shutil.copytree(_PAGE, folder)
    for side in ("source", "target"):
        tokenizer = tokenizer_of((out / f"{side}.model").read_bytes())
        text = json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":"))
        (folder / f"{side}.tokenizer.json").write_text(text, encoding="utf-8")
    return folder / "index.html"


def tokenizer_of(model: bytes) -> dict[str, Any]:
    """Convert a SentencePiece model to JSON, for `page/tokenizer.js`.

    Args:
        model: The content of a `.model` file.
    """
    proto = model_proto(model)
    normalizer = proto.normalizer_spec
    kinds = [piece.type for piece in proto.pieces]
    return {
        "type": MODEL_TYPES[proto.trainer_spec.model_type],
        "pieces": [piece.piece for piece in proto.pieces],
        "scores": [piece.score for piece in proto.pieces],
        "special": [i for i, kind in enumerate(kinds) if kind not in (_NORMAL, _USER_DEFINED)],
        "userDefined": [i for i, kind in enumerate(kinds) if kind == _USER_DEFINED],
        "bytes": [i for i, kind in enumerate(kinds) if kind == _BYTE],
        "byteFallback": proto.trainer_spec.byte_fallback,
        "unknown": proto.trainer_spec.unk_surface,
        "dummyPrefix": normalizer.add_dummy_prefix,
        "oneSpace": normalizer.remove_extra_whitespaces,
        "charsmap": base64.b64encode(normalizer.precompiled_charsmap).decode(),
    }
