"""Create the files that describe an export: tokenizers, `config.json`, `examples.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from export.assets.reference import Rows, greedy_ids
from export.layout import PROJECT
from keras_attention.export.serving import ID_SIGNATURES, TEXT_SIGNATURES, ServingModule
from keras_attention.files import copy, write
from keras_attention.ids import END_ID, PADDING_ID, START_ID, UNKNOWN_ID
from keras_attention.text.conversion import MODEL_TYPES, model_proto
from keras_attention.text.runs import RunDirectory
from keras_attention.text.translator import Translator

MOST_EXAMPLES = 100
_VERSIONED = (
    "keras",
    "tensorflow",
    "tensorflow-text",
    "sentencepiece",
    "tf2onnx",
    "onnx",
    "onnxruntime",
    "onnxruntime-extensions",
    "ai-edge-litert",
)


def copy_tokenizers(run: RunDirectory, out: Path) -> None:
    """Copy `source.model` and `target.model`."""
    for file in (run.source_model, run.target_model):
        copy(file, out / file.name)


def describe(
    name: str,
    run: RunDirectory,
    serving: ServingModule,
    translator: Translator,
    artefacts: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content of `config.json`: all that a user of the export needs to know.

    Args:
        name: The name of the model.
        run: The run directory.
        serving: The serving module, with tokenizers, for any batch size and length.
        translator: The translator of the run.
        artefacts: The files or folders of each format, relative to the export.
    """
    model, tokenizer = serving.model.config, model_proto(run.source_model.read_bytes())
    return {
        "name": name,
        "formats": list(artefacts),
        "artefacts": dict(artefacts),
        "ids": {"padding": PADDING_ID, "start": START_ID, "end": END_ID, "unknown": UNKNOWN_ID},
        "decoder_start_id": model.start_id,
        "source_vocabulary": model.source_vocabulary,
        "target_vocabulary": model.target_vocabulary,
        "max_source_length": translator.max_source_length,
        "max_target_length": serving.max_length,
        "tokenizer": MODEL_TYPES[tokenizer.trainer_spec.model_type],
        "normalization": tokenizer.normalizer_spec.name,
        "search": _search(translator.search),
        "beam": _search(serving.beam),
        "signatures": _signatures(serving),
        "model": asdict(model),
        "versions": _versions(),
    }


def examples(translator: Translator, texts: Sequence[str], sources: Rows) -> list[dict[str, Any]]:
    """Return the content of `examples.json`: texts, ids and the Keras model's greedy outputs.

    Args:
        translator: The translator of the run.
        texts: Source texts.
        sources: Their ids, including the end token.
    """
    texts, sources = texts[:MOST_EXAMPLES], sources[:MOST_EXAMPLES]
    targets = greedy_ids(translator.model, sources, translator.max_length)
    decoded = translator.target_tokenizer.decode(targets)
    return [
        {"source": text, "target": target, "source_ids": source_ids, "target_ids": target_ids}
        for text, target, source_ids, target_ids in zip(
            texts, decoded, sources, targets, strict=True
        )
    ]


def write_json(path: Path, content: Any) -> Path:
    """Write human-readable JSON."""
    write(path, as_json(content))
    return path


def as_json(content: Any) -> str:
    """Return human-readable JSON, with each flat list or object on one line."""
    return _readable(content) + "\n"


def _readable(value: Any, indent: str = "") -> str:
    if not isinstance(value, dict | list) or _is_flat(value):
        return json.dumps(value, ensure_ascii=False)
    inner = indent + "  "
    if isinstance(value, list):
        lines, brackets = [_readable(item, inner) for item in value], "[]"
    else:
        brackets = "{}"
        lines = [f"{json.dumps(key)}: {_readable(item, inner)}" for key, item in value.items()]
    body = ",\n".join(inner + line for line in lines)
    return f"{brackets[0]}\n{body}\n{indent}{brackets[1]}"


def _is_flat(value: Any) -> bool:
    """Return whether a list or dict contains only plain values and lists of these."""
    items = list(value.values()) if isinstance(value, dict) else value
    lists = [item for item in items if isinstance(item, list)]
    nested = [item for row in lists for item in row if isinstance(item, dict | list)]
    return not nested and not any(isinstance(item, dict) for item in items)


def _search(search: Any) -> dict[str, Any]:
    return {"beam_width": search.width, "length_penalty": getattr(search, "length_penalty", 0.0)}


def _signatures(serving: ServingModule) -> dict[str, Any]:
    functions = {
        name: getattr(function, "get_concrete_function", lambda concrete=function: concrete)()
        for name, function in serving.functions(
            (*ID_SIGNATURES, "search", "score", *TEXT_SIGNATURES)
        ).items()
    }
    return {
        name: {
            "inputs": _tensors({spec.name: spec for spec in _specs(function)}),
            "outputs": _tensors(function.structured_outputs),
        }
        for name, function in functions.items()
    }


def _specs(function: Any) -> list[Any]:
    positional, named = function.structured_input_signature
    return [*positional, *named.values()]


def _tensors(specs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the type and shape of each tensor; an unknown size is null."""
    return {
        name: {"dtype": specs[name].dtype.name, "shape": specs[name].shape.as_list()}
        for name in sorted(specs)
    }


def _versions() -> dict[str, str]:
    from keras_attention import __version__

    versions = {PROJECT: __version__}
    for name in _VERSIONED:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
