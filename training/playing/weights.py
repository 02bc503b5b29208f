"""The models of docs/play as a file of JavaScript: from run directories, and back to Keras models.

A page opened from a disk may load scripts, but nothing else. So the file assigns one constant, in
JSON, and the weights are in it as text: float16, little-endian, in base64.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_attention.files import write
from keras_attention.model.config import Seq2SeqConfig

if TYPE_CHECKING:
    from keras_attention import RunDirectory, SentencePieceTokenizer, Seq2Seq

_ASSIGNED = "const STORED = "
_SIZES = (
    "source_vocabulary",
    "target_vocabulary",
    "embedding_size",
    "encoder_units",
    "decoder_units",
    "attention_units",
)
_CHOSEN = ("attention", "score")
_ONE_ARCHITECTURE: dict[str, Any] = {
    "encoder": "lstm",
    "bridge": "copy",
    "query": "current",
    "input_feeding": False,
    "start_id": 2,
}
_PAIRS = 200


def write_models(runs: Sequence[RunDirectory], out: Path) -> None:
    """Write the models of runs, grouped by the names of their recipes.

    Args:
        runs: Run directories, each with the architecture that the page computes. Those of one
            recipe must have the same tokenizers.
        out: The file, such as `docs/play/weights.js`.

    Raises:
        ValueError: If a run has another architecture, or runs of a recipe differ in their tokens.
    """
    tasks: dict[str, Any] = {}
    for run in runs:
        name, task = _task_of(run.require_complete())
        model = _model_of(run)
        known = tasks.setdefault(name, task | {"models": {}})
        if any(known[side] != task[side] for side in ("source", "target")):
            raise ValueError(
                f"Runs of one recipe must have the same tokens. Received: {run.path}, whose tokens "
                f"are not those of the other runs of {name!r}"
            )
        known["models"][score_of(model)] = model
    lines = [f"{json.dumps(name)}: {_task_lines(task)}" for name, task in tasks.items()]
    write(out, f"{_ASSIGNED}{{\n{','.join(lines)}}};\n")


def read_models(file: Path) -> dict[str, Any]:
    """Return what a file holds: for each recipe its tokens, its pairs, and its `models` by score.

    Each model has its sizes, its `attention` and `score`; `restored` turns it into a Keras model.
    """
    text = file.read_text(encoding="utf-8")
    tasks: dict[str, Any] = json.loads(text.removeprefix(_ASSIGNED).rstrip().removesuffix(";"))
    return tasks


def restored(model: dict[str, Any], dtype: str = "float32") -> Seq2Seq:
    """Return the Keras model with exactly the weights that the page has."""
    from keras_attention import Seq2Seq

    sizes = {name: model[name] for name in (*_SIZES, *_CHOSEN)}
    made = Seq2Seq(Seq2SeqConfig(**sizes, **_ONE_ARCHITECTURE), dtype=dtype)
    for variable in made.weights:
        stored = model["weights"][_name(variable.path)]
        numbers = np.frombuffer(base64.b64decode(stored["float16"]), "<f2")
        variable.assign(numbers.reshape(stored["shape"]))
    return made


def score_of(model: dict[str, Any]) -> str:
    """Return the name that the page has for a model: its score, or `none`."""
    names = {None: "none", "bahdanau": "additive", "luong": model["score"]}
    name: str = names[model["attention"]]
    return name


def _task_of(run: RunDirectory) -> tuple[str, dict[str, Any]]:
    """Return the name of a run's recipe, and what all its models share."""
    config = run.config()
    source, target = run.tokenizers()
    return config["name"], {
        "type": config["text"]["model_type"],
        "source": _pieces(source),
        "target": _pieces(target),
        "longest": config["data"]["max_source_length"],
        "most": config["data"]["max_target_length"],
        "pairs": [list(pair) for pair in run.held_out()[:_PAIRS]],
    }


def _model_of(run: RunDirectory) -> dict[str, Any]:
    """Return a run's model, if the page would compute it as Keras does."""
    model = run.model()
    config = asdict(model.config)
    free = {name: config[name] for name in (*_SIZES, *_CHOSEN)}
    expected = asdict(Seq2SeqConfig(**free, **_ONE_ARCHITECTURE))
    for name, value in config.items():
        if value != expected[name]:
            raise ValueError(
                f"The page needs {name}={expected[name]!r}, as the recipes play-*.yaml have it. "
                f"Received: {run.path} with {name}={value!r}"
            )
    return {**free, "weights": _as_text(model)}


def _pieces(tokenizer: SentencePieceTokenizer) -> list[str]:
    return tokenizer.pieces(range(tokenizer.vocabulary_size))


def _as_text(model: Seq2Seq) -> dict[str, Any]:
    stored = {}
    for variable in model.weights:
        numbers = np.asarray(variable.numpy(), "<f2")
        text = base64.b64encode(numbers.tobytes()).decode("ascii")
        stored[_name(variable.path)] = {"shape": list(numbers.shape), "float16": text}
    return stored


def _name(path: str) -> str:
    """Return a weight's layer and name, such as `encoder.kernel` or `attention.v`."""
    first, *between, last = path.split("/")
    layer = "attention" if any("attention" in part for part in between) else first
    return f"{layer}.{last}"


def _task_lines(task: dict[str, Any]) -> str:
    """Return a task as JSON with a line for each model, so that a change shows which one moved."""
    shared = {name: value for name, value in task.items() if name != "models"}
    head = json.dumps(shared, ensure_ascii=False)[:-1]
    models = ",\n".join(f'"{name}": {json.dumps(model)}' for name, model in task["models"].items())
    return f'{head}, "models": {{\n{models}}}}}'
