"""Write a page that translates in the browser, with tokenizers in JSON."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

from export.layout import BROWSER

_PAGE = Path(__file__).with_name("page")
_NORMAL = 1  # sentencepiece_model_pb2.ModelProto.SentencePiece.NORMAL
_MODEL_TYPES = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}


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
    from sentencepiece import sentencepiece_model_pb2

    proto: Any = sentencepiece_model_pb2.ModelProto.FromString(model)  # type: ignore[attr-defined]
    normalizer = proto.normalizer_spec
    return {
        "type": _MODEL_TYPES[proto.trainer_spec.model_type],
        "pieces": [piece.piece for piece in proto.pieces],
        "scores": [piece.score for piece in proto.pieces],
        "special": [i for i, piece in enumerate(proto.pieces) if piece.type != _NORMAL],
        "byteFallback": proto.trainer_spec.byte_fallback,
        "dummyPrefix": normalizer.add_dummy_prefix,
        "charsmap": base64.b64encode(normalizer.precompiled_charsmap).decode(),
    }
