"""Read the expected outputs of an export, or let the Keras model compute them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from export.verify.compare import MARGIN
from export.verify.expected import Expected, translated
from export.verify.inputs import (
    SCORE,
    VerificationError,
    answered,
    read_examples,
    read_reference,
    read_texts,
    read_tokenizer,
)
from keras_attention.export.runtimes.runner import HOST_LOOP, Arrays, Batches
from keras_attention.text.translator import pad


def read_expected(
    out: Path,
    config: Mapping[str, Any],
    run: Path | None = None,
    data: Sequence[Path] = (),
) -> Expected:
    """Return the inputs and expected outputs for the artefacts of an export.

    Args:
        out: The export.
        config: The content of its `config.json`.
        run: The run directory, to run the Keras model again; None for the stored outputs.
        data: A file of source texts, and optionally one of human translations, instead of the
            stored inputs; requires `run`.

    Raises:
        VerificationError: If a file is missing or inconsistent with the others.
    """
    if run is None and data:
        raise VerificationError("--data requires the run directory: add --run RUN")
    if data:
        stored, examples = read_texts(out, config, data)
    else:
        stored = read_reference(out / "reference.npz", answered(config))
        examples = read_examples(out / "examples.json")
    sources = {number: {"source": arrays["source"]} for number, arrays in stored.items()}
    if run is None:
        names = answered(config)
        answers = {name: {k: _below(x, name) for k, x in stored.items()} for name in names}
    else:
        answers = _answer_anew(run, stored, config)
    scored = _scored(stored, answers["greedy"]) if SCORE in answers else {}
    decode = partial(_decoded, read_tokenizer(out / "target.model"))
    _check_examples(out / "examples.json", examples, _by_source(sources, answers["greedy"]), decode)
    searched = _by_source(sources, answers[search_of(config)])
    batches = {f"{i:03d}": part for i, part in enumerate((examples[:1], examples[1:])) if part}
    texts = {k: {"text": np.array([x["source"] for x in part])} for k, part in batches.items()}
    text_ids = {k: {"source": pad([x["source_ids"] for x in part])} for k, part in batches.items()}
    answers |= {
        HOST_LOOP: answers["greedy"],
        "translate": {
            number: translated(_rows(searched, batch["source"]), decode)
            for number, batch in text_ids.items()
        },
    }
    targets = {k: {"target": x["target"]} for k, x in stored.items() if "target" in x}
    return Expected(sources, texts, text_ids, scored, answers, targets, decode)


def search_of(config: Mapping[str, Any]) -> str:
    """Return the name of the search that translates texts."""
    return "greedy" if config["search"]["beam_width"] == 1 else "beam"


def _below(arrays: Arrays, prefix: str) -> Arrays:
    start = f"{prefix}/"
    return {k.removeprefix(start): x for k, x in arrays.items() if k.startswith(start)}


def _scored(stored: Batches, greedy: Batches) -> Batches:
    from export.assets.reference import targets_to_score

    return {
        k: {"source": x["source"], "target": targets_to_score(x["target"], greedy[k]["ids"])}
        for k, x in stored.items()
    }


def _answer_anew(run: Path, stored: Batches, config: Mapping[str, Any]) -> dict[str, Batches]:
    from export.assets.reference import answer
    from keras_attention.decoding import BeamSearch, GreedySearch
    from keras_attention.text.runs import RunDirectory

    model = RunDirectory(run).require_complete().model()
    beam = BeamSearch(config["beam"]["beam_width"], config["beam"]["length_penalty"])
    length = config["max_target_length"]
    answers = {
        name: {k: answer(model, batch["source"], search, length) for k, batch in stored.items()}
        for name, search in (("greedy", GreedySearch()), ("beam", beam))
    }
    if SCORE in answered(config):
        pairs = _scored(stored, answers["greedy"])
        answers[SCORE] = {
            k: {"log_probabilities": model.score(**pair).log_probs} for k, pair in pairs.items()
        }
    return answers


def _check_examples(
    path: Path,
    examples: Sequence[Mapping[str, Any]],
    answers: Mapping[tuple[int, ...], Arrays],
    decode: Callable[[Iterable[int]], str],
) -> None:
    """Check that the examples equal the greedy outputs of the Keras model."""
    for example in examples:
        answer = answers.get(tuple(example["source_ids"]))
        greedy = [] if answer is None else _best(answer)
        known = (list(example.get("target_ids", greedy)), example.get("target", decode(greedy)))
        if answer is None or known != (greedy, decode(greedy)):
            raise VerificationError(
                f"{path}: the example {example['source']!r} differs from the Keras model's output"
            )


def _by_source(sources: Batches, answers: Batches) -> dict[tuple[int, ...], Arrays]:
    """Return the outputs for each source, keyed by its ids without padding."""
    rows = {}
    for number, batch in sources.items():
        for i, source in enumerate(batch["source"]):
            rows[_without_padding(source)] = {name: x[i] for name, x in answers[number].items()}
    return rows


def _best(answer: Arrays) -> list[int]:
    """Return the ids of the best hypothesis, without padding."""
    return [int(i) for i in answer["ids"][0, : answer["lengths"][0]]]


def _decoded(tokenizer: Any, ids: Iterable[int]) -> str:
    special = (tokenizer.pad_id(), tokenizer.bos_id(), tokenizer.eos_id())
    return str(tokenizer.decode([int(i) for i in ids if int(i) not in special]))


def _rows(answers: Mapping[tuple[int, ...], Arrays], source: np.ndarray) -> Arrays:
    """Collect the outputs for the sources of a batch, with weights as wide as the batch."""
    width = source.shape[1]
    found = [answers[_without_padding(row)] for row in source]
    names = [name for name in ("ids", "scores", MARGIN) if name in found[0]]
    arrays = {name: np.stack([row[name] for row in found]) for name in names}
    if "attention" in found[0]:
        weights = [row["attention"][..., :width] for row in found]
        widened = [np.pad(x, ((0, 0), (0, 0), (0, width - x.shape[2]))) for x in weights]
        arrays["attention"] = np.stack(widened)
    return arrays


def _without_padding(source: np.ndarray) -> tuple[int, ...]:
    return tuple(int(x) for x in source if x != 0)
