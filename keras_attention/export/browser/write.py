"""Write a page that translates in the browser, with tokenizers in JSON."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_attention.checks import check_one_of
from keras_attention.decoding import BeamSearch
from keras_attention.export.browser.runtime import read_runtime, with_runtime
from keras_attention.export.formats import FLOAT16, FLOAT32, INT8
from keras_attention.export.functions import Function, check_exportable
from keras_attention.export.onnx.write import write_onnx
from keras_attention.export.search import BEAM, GREEDY, search_functions
from keras_attention.export.text import Tokenizers, check_vocabularies
from keras_attention.files import remove, replacing, write
from keras_attention.ids import END_ID
from keras_attention.model.generation import StepModel
from keras_attention.text.conversion import MODEL_TYPES, model_proto

BROWSER, ONNX = "browser", "onnx"
_PAGE = Path(__file__).with_name("page")
_NORMAL, _USER_DEFINED, _BYTE = 1, 4, 6  # of ModelProto.SentencePiece.Type


def to_page(
    model: StepModel,
    path: str | Path,
    verbose: bool = False,
    *,
    tokenizers: Tokenizers,
    examples: Sequence[str],
    max_length: int = 60,
    beam: BeamSearch | None = None,
    max_source_length: int = 128,
    precisions: Sequence[str] = (FLOAT32,),
    title: str | None = None,
    onnxruntime_web: str | Path | None = None,
) -> Path:
    """Write a page that runs a model in the browser, from text to text, and shows its attention.

    It is the page of `python -m export`: a static folder for any file server, with `onnx/` for the
    searches and `browser/` for the page, which loads ONNX Runtime Web from a CDN or contains it.
    The browser compares its files with the checksums in the page, and runs no other script.

    Args:
        model: A model that reads and writes ids of the tokenizers, built, on the TensorFlow
            backend. Its start and end ids are those of the tokenizers, 1 and 2.
        path: The folder; missing, empty or such a page, which is replaced.
        verbose: Whether to print what was written.
        tokenizers: The source and target tokenizers.
        examples: Texts to offer to a reader; at least one.
        max_length: Maximum tokens per hypothesis, including the end token.
        beam: The beam search that the page offers beside greedy search; None for `BeamSearch()`.
        max_source_length: Maximum number of source tokens, including the end token.
        precisions: The precisions of the weights that the page offers: `"float32"`, `"float16"`
            and `"int8"`.
        title: The title of the page; None for the name of the folder.
        onnxruntime_web: The folder of npm's package `onnxruntime-web`, to copy the two files that
            the page needs beside it; None to load them from a CDN.

    Returns:
        The path of the page.

    Raises:
        ValueError: If the tokenizers do not fit the model, there is no example, a precision is
            unknown, or `onnxruntime_web` has another version.
        FileExistsError: If `path` contains anything other than a page.

    Example:
        >>> import tempfile
        >>> import keras_attention as ka
        >>> letters = ka.SentencePieceTokenizer.train(["abc", "cab"], 8, model_type="char")
        >>> size = letters.vocabulary_size
        >>> config = ka.Seq2SeqConfig(size, size, encoder_units=3, decoder_units=4)
        >>> options = {"tokenizers": (letters, letters), "examples": ["cab"], "max_length": 5}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = ka.export.to_page(ka.Seq2Seq(config), folder, **options)
        ...     sorted(file.name for file in page.parents[1].iterdir())
        ['browser', 'config.json', 'examples.json', 'onnx']
    """
    path, beam = Path(path), beam or BeamSearch()
    check_vocabularies(model, tokenizers)
    check_exportable(model, verbose)
    _check(path, examples, precisions)
    runtime = None if onnxruntime_web is None else read_runtime(onnxruntime_web)
    searches = search_functions(model, max_length, beam, [GREEDY, BEAM])
    remove(path / ONNX)
    files = _write_searches(model, searches, path / ONNX, precisions, verbose)
    config = {
        "name": title or path.resolve().name,
        "ids": {"end": END_ID},
        "max_source_length": max_source_length,
        "search": {"beam_width": beam.width},
        "artefacts": {"onnx": [f"{ONNX}/{file.name}" for file in files]},
    }
    _write_json(path / "config.json", config)
    _write_json(path / "examples.json", [{"source": text} for text in examples])
    return write_page(path, tokenizers[0].model, tokenizers[1].model, runtime)


def _check(path: Path, examples: Sequence[str], precisions: Sequence[str]) -> None:
    for precision in precisions:
        check_one_of("precisions", precision, (FLOAT32, FLOAT16, INT8))
    if not examples:
        raise ValueError("Argument `examples` must contain at least one text. Received: none")
    if path.exists() and any(path.iterdir()) and not (path / BROWSER / "index.html").exists():
        raise FileExistsError(
            f"Argument `path` must be a new folder or a page to replace. Received: {path}"
        )


def _write_searches(
    model: StepModel,
    searches: Mapping[str, Function],
    folder: Path,
    precisions: Sequence[str],
    verbose: bool,
) -> list[Path]:
    """Write a file for each search and precision, as `translator.js` names them."""
    files: list[Path] = []
    for precision in precisions:
        ending = "" if precision == FLOAT32 else f".{precision}"
        written = {name: folder / f"{name}{ending}.onnx" for name in searches}
        write_onnx(model, searches, written, precision=precision).announce(folder, verbose)
        files += written.values()
    return files


def _write_json(path: Path, content: Any) -> None:
    write(path, json.dumps(content, ensure_ascii=False, indent=2) + "\n")


def write_page(
    out: Path, source: bytes, target: bytes, runtime: Mapping[str, bytes] | None = None
) -> Path:
    """Write `browser/`, a page that uses the ONNX files and `config.json` beside it.

    Args:
        out: The folder of these files.
        source: The source tokenizer, the content of a SentencePiece `.model` file.
        target: The target tokenizer.
        runtime: The files of ONNX Runtime Web, to lie beside the page (`read_runtime`); None to
            load them from a CDN.

    Returns:
        The path of the page.
    """
    with replacing(out / BROWSER) as folder:
        shutil.copytree(_PAGE, folder)
        index = folder / "index.html"
        page = with_runtime(index.read_text(encoding="utf-8"), is_local=runtime is not None)
        index.write_text(page, encoding="utf-8")
        for name, content in (runtime or {}).items():
            (folder / name).write_bytes(content)
        for side, model in (("source", source), ("target", target)):
            text = json.dumps(tokenizer_of(model), ensure_ascii=False, separators=(",", ":"))
            (folder / f"{side}.tokenizer.json").write_text(text, encoding="utf-8")
    return out / BROWSER / "index.html"


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
