"""Export a run directory: the artefacts and the files that describe them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from export.assets import description, reference
from export.assets.archive import attach
from export.assets.readme import readme
from export.layout import (
    FORMATS,
    PRECISIONS,
    QUANTIZED,
    UNFINISHED,
    check_places,
    make_room,
    with_precision,
)
from export.mlserver.write import write_mlserver
from keras_attention.decoding import BeamSearch
from keras_attention.export.browser.runtime import read_runtime
from keras_attention.export.browser.write import write_page
from keras_attention.export.formats import FLOAT32, INT8
from keras_attention.export.quantize import copy_with_int8_embeddings
from keras_attention.export.serving import ServingModule
from keras_attention.export.tflite import export_tflite
from keras_attention.files import write
from keras_attention.ids import END_ID
from keras_attention.model.seq2seq import Seq2Seq
from keras_attention.text.runs import RunDirectory
from keras_attention.text.translator import Translator


def export_run(
    run: str | Path,
    out: str | Path,
    formats: Sequence[str] = FORMATS,
    precisions: Sequence[str] = (),
    onnxruntime_web: str | Path | None = None,
) -> Path:
    """Export a trained model.

    Args:
        run: The run directory.
        out: The output folder: new, empty, or an earlier export, which is replaced once the run has
            been loaded. Its name becomes the name of the model.
        formats: Any of `saved_model`, `tflite` and `onnx`.
        precisions: Any of `float16` and `int8`: additional precisions of the TFLite and ONNX
            weights, besides float32.
        onnxruntime_web: The folder of npm's package `onnxruntime-web`, to lie beside the page; None
            to load it from a CDN.

    Returns:
        The folder of the export.

    Raises:
        FileNotFoundError: If the run directory is incomplete.
        FileExistsError: If `out` contains anything other than an export.
        NotADirectoryError: If `out` is a file.
        ValueError: If a format or precision is unknown, `out` overlaps with the run directory, the
            run cannot be loaded, no held-out source fits the model, or `onnxruntime_web` has
            another version than the page needs.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise ValueError(f"Argument `formats` must be among {FORMATS}. Received: {list(formats)}")
    if not set(precisions) <= set(PRECISIONS):
        raise ValueError(
            f"Argument `precisions` must be among {PRECISIONS}. Received: {precisions}"
        )
    if precisions and not set(formats) & set(QUANTIZED):
        raise ValueError(
            f"Argument `precisions` requires one of the formats {QUANTIZED}. "
            f"Received: formats={list(formats)}, precisions={list(precisions)}"
        )
    runtime = None if onnxruntime_web is None else read_runtime(onnxruntime_web)
    run, out = Path(run), Path(out)
    check_places(run, out)
    directory = RunDirectory(run).require_complete()
    translator = Translator.from_run(directory.path)
    search = translator.search
    beam = search if isinstance(search, BeamSearch) else BeamSearch()
    serving = ServingModule(
        translator.model,
        translator.max_length,
        beam=beam,
        search=search,
        tokenizers=(translator.source_tokenizer, translator.target_tokenizer),
        max_source_length=translator.max_source_length,
    )
    name = out.resolve().name  # the recipe's name would be "corpus" for any corpus
    make_room(out)
    written = [precision for precision in PRECISIONS if precision in precisions]
    models = dict.fromkeys((FLOAT32, *written), translator.model)
    if INT8 in written:
        models[INT8] = copy_with_int8_embeddings(translator.model)
    artefacts = {
        kind: [
            path
            for precision, model in models.items()
            if precision == FLOAT32 or kind in QUANTIZED
            for path in _export(kind, precision, model, serving, directory, out)
        ]
        for kind in FORMATS
        if kind in formats
    }
    relative = {
        kind: [path.relative_to(out).as_posix() for path in paths]
        for kind, paths in artefacts.items()
    }
    _write_assets(directory, out, name, serving, translator, relative, runtime)
    (out / UNFINISHED).unlink()
    return out


def _export(
    kind: str,
    precision: str,
    model: Seq2Seq,
    serving: ServingModule,
    run: RunDirectory,
    out: Path,
) -> list[Path]:
    print(f"{kind}{'' if precision == 'float32' else f' in {precision}'} ...", flush=True)
    if kind == "saved_model":
        from export.saved_models import export_saved_models

        return export_saved_models(serving, out / kind, out.resolve().name)
    if kind == "tflite":
        one = ServingModule(
            model,
            serving.max_length,
            serving.beam,
            max_source_length=serving.max_source_length,
            batch_size=1,
        )
        file = with_precision("model.tflite", precision)
        return [export_tflite(one, out / kind / file, precision)]
    from export.onnx_files import export_onnx
    from keras_attention.export.onnx.text import Text

    text = Text(
        run.source_model.read_bytes(),
        run.target_model.read_bytes(),
        serving.max_source_length or sys.maxsize,
        "beam" if isinstance(serving.search, BeamSearch) else "greedy",
    )
    return export_onnx(
        model,
        out,
        max_length=serving.max_length,
        search=serving.beam,
        precision=precision,
        text=text,
    )


def _write_assets(
    run: RunDirectory,
    out: Path,
    name: str,
    serving: ServingModule,
    translator: Translator,
    artefacts: Any,
    runtime: Mapping[str, bytes] | None,
) -> None:
    print("reference ...", flush=True)
    texts, rows, targets = _held_out(run, translator)
    arrays = reference.reference(
        serving.model, rows, targets, translator.max_source_length, serving.max_length, serving.beam
    )
    reference.write_reference(out / "reference.npz", arrays)
    description.copy_tokenizers(run, out)
    config = description.describe(name, run, serving, translator, artefacts)
    if "onnx" in artefacts:
        write_page(out, run.source_model.read_bytes(), run.target_model.read_bytes(), runtime)
        write_mlserver(out, config)
    for file in artefacts.get("tflite", ()):
        inside = {path.name: path.read_bytes() for path in (run.source_model, run.target_model)}
        attach(out / file, {**inside, "config.json": description.as_json(config).encode()})
    made = description.examples(translator, texts, rows)
    description.write_json(out / "examples.json", made)
    write(out / "README.md", readme(config, made[0]["source"], made[0]["target"]))
    description.write_json(out / "config.json", config)
    _warn_about_cut(made)


def _held_out(
    run: RunDirectory, translator: Translator
) -> tuple[list[str], reference.Rows, reference.Rows]:
    """Return held-out source texts that fit the model, their ids, and the ids of their targets.

    Ids end with the end token. A source with several targets gets the first.
    """
    pairs: dict[str, str] = {}
    for source, target in run.held_out():
        pairs.setdefault(source, target)
    texts = list(pairs)
    encoded = translator.source_tokenizer.encode(texts)
    fitting = [
        (text, [*ids, END_ID])
        for text, ids in zip(texts, encoded, strict=True)
        if 0 < len(ids) < translator.max_source_length
    ][: reference.MOST_ROWS]
    if not fitting:
        raise ValueError(
            f"{run.held_out_file} must have a source of 1 to {translator.max_source_length - 1} "
            "tokens. Received: none"
        )
    texts = [text for text, _ in fitting]
    targets = translator.target_tokenizer.encode([pairs[text] for text in texts])
    return texts, [ids for _, ids in fitting], [[*ids, END_ID] for ids in targets]


def _warn_about_cut(made: Sequence[dict[str, Any]]) -> None:
    cut = sum(example["target_ids"][-1] != END_ID for example in made)
    if cut:
        print(
            f"warning: {cut} of {len(made)} examples were cut off at the maximum target length.",
            file=sys.stderr,
        )
