"""The inputs of a verification and the expected outputs, stored or computed by the Keras model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from export.verify.compare import MARGIN
from export.verify.inputs import (
    SCORE,
    SEARCHES,
    VerificationError,
    answered,
    read_examples,
    read_reference,
    read_texts,
    read_tokenizer,
)
from keras_attention.export.runtimes.runner import HOST_LOOP, Arrays, Batches
from keras_attention.ids import PADDING_ID
from keras_attention.text.translator import pad

Input = TypeVar("Input")
_TIMED, _GROWING = 30, 8


@dataclass(frozen=True)
class Expected:
    """Inputs by kind, and expected outputs by signature.

    Attributes:
        ids: Source ids, `source` in each batch.
        texts: The examples, `text` in each batch.
        text_ids: The ids of the examples, `source` in each batch.
        scored: Pairs of ids to score, `source` and `target` in each batch; none in an older export.
        answers: The expected outputs of each batch, by signature.
        targets: The ids of human translations, `target` in each batch; zeros if unknown.
        decode: A function from ids to a text.
    """

    ids: Batches
    texts: Batches
    text_ids: Batches
    scored: Batches
    answers: dict[str, Batches]
    targets: Batches
    decode: Callable[[Iterable[int]], str]

    @cached_property
    def own_bleu(self) -> dict[str, float | None]:
        """BLEU of the Keras model, by signature on ids."""
        return {name: self.bleu(self.answers[name]) for name in (*SEARCHES, HOST_LOOP)}

    def bleu(self, found: Mapping[str, Arrays]) -> float | None:
        """Return BLEU of the best hypotheses, or None if no target is known."""
        from sacrebleu import corpus_bleu

        pairs = [
            (self.decode(ids[0]), self.decode(target))
            for number, batch in self.targets.items()
            for ids, target in zip(found[number]["ids"], batch["target"], strict=True)
            if target.any()
        ]
        if not pairs:
            return None
        outputs, targets = zip(*pairs, strict=True)
        return float(corpus_bleu(outputs, [targets]).score)

    def losses(self, signature: str, found: Mapping[str, Arrays]) -> dict[str, Any]:
        """Return what the outputs of an artefact lose, by attribute of `Comparison`."""
        if signature == SCORE:
            return {"nats_off": self._nats_off(found)}
        if signature == "translate":
            return {}
        bleu, full = self.bleu(found), self.own_bleu[signature]
        lost = None if bleu is None or full is None else full - bleu
        return {"bleu": bleu, "bleu_lost": lost}

    def _nats_off(self, found: Mapping[str, Arrays]) -> float:
        off: list[float] = []
        for number, batch in self.scored.items():
            pair = (arrays[number]["log_probabilities"] for arrays in (found, self.answers[SCORE]))
            totals, own = (x.sum(axis=1, dtype="float64") for x in pair)
            off += list(np.abs(totals - own) / (batch["target"] != PADDING_ID).sum(axis=1))
        return float(np.nan_to_num(np.mean(off), nan=np.inf))

    def translations(self, found: Mapping[str, Arrays]) -> Batches:
        """Return the outputs of `translate`, given those of its search on ids."""
        return {number: _translated(batch, self.decode) for number, batch in found.items()}

    def inputs(self, signature: str) -> Batches:
        """Return the inputs for a signature."""
        return {"translate": self.texts, SCORE: self.scored}.get(signature, self.ids)

    def timed(self, signature: str) -> Batches:
        """Return single inputs without padding to time, spread over all inputs."""
        rows = [
            dict(zip(batch, row, strict=True))
            for batch in self.inputs(signature).values()
            for row in zip(*batch.values(), strict=True)
        ]
        return {
            f"{i:03d}": {name: _alone(x) for name, x in row.items()}
            for i, row in enumerate(_spread(rows))
        }

    def growing(self, most: int) -> Batches:
        """Return single sources of ids without padding, each longer than the previous one.

        Args:
            most: The number of tokens of the last source, including the end token.
        """
        rows = [x[x != 0] for batch in self.ids.values() for x in batch["source"]]
        by_length = {len(row): row for row in rows}
        longest = by_length[max(by_length)]
        tokens, end = longest[:-1], longest[-1:]
        by_length |= {1: end, most: np.append(np.resize(tokens, most - 1), end)}
        chosen = _spread([by_length[length] for length in sorted(by_length)], _GROWING)
        return {f"{i:03d}": {"source": row[None]} for i, row in enumerate(chosen)}


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
            number: _translated(_rows(searched, batch["source"]), decode)
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


def _translated(batch: Arrays, decode: Callable[[Iterable[int]], str]) -> Arrays:
    """Return the outputs of `translate`, given those of its search."""
    texts = np.array([[decode(ids) for ids in row] for row in batch["ids"]])
    return {"text": texts} | {
        k: x for k, x in batch.items() if k in ("scores", "attention", MARGIN)
    }


def _without_padding(source: np.ndarray) -> tuple[int, ...]:
    return tuple(int(x) for x in source if x != 0)


def _alone(x: np.ndarray) -> np.ndarray:
    """Return a batch of one input: a text, or ids without padding."""
    return np.array([x if x.ndim == 0 else x[x != PADDING_ID]])


def _spread(rows: Sequence[Input], count: int = _TIMED) -> list[Input]:
    """Return up to `count` rows, evenly spaced from the first to the last."""
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return [rows[place] for place in places]
