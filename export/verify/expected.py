"""The inputs of a verification and the Keras model's answers, from `reference.npz` or anew."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from export.verify.runner import HOST_LOOP, Arrays, read_batches

Batches = dict[str, Arrays]
_SEARCHES, _NEEDED = ("greedy", "beam"), ("ids", "lengths", "scores")
_TIMED = 30


class VerificationError(RuntimeError):
    """There is nothing to verify, or nothing to verify with; the message names the file."""


@dataclass(frozen=True)
class Expected:
    """Inputs by what an artefact takes, and answers by signature.

    Attributes:
        ids: Source ids: `source` of each batch.
        texts: The examples: `text` of each batch.
        answers: Of each signature the outputs of each batch.
        targets: What people translated to, ids: `target` of each batch, zeros where it is unknown.
        decode: From ids to a text.
    """

    ids: Batches
    texts: Batches
    answers: dict[str, Batches]
    targets: Batches
    decode: Callable[[Iterable[int]], str]

    @cached_property
    def own_bleu(self) -> dict[str, float | None]:
        """What the Keras model's answers have, by signature on ids."""
        return {name: self.bleu(self.answers[name]) for name in (*_SEARCHES, HOST_LOOP)}

    def bleu(self, found: Mapping[str, Arrays]) -> float | None:
        """BLEU of the best hypotheses of each batch; None if no target is known."""
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

    def inputs(self, signature: str) -> Batches:
        """What the artefact gets."""
        return self.texts if signature == "translate" else self.ids

    def timed(self, signature: str) -> Batches:
        """Single inputs without padding, taken from all over."""
        if signature == "translate":
            rows = [x for batch in self.texts.values() for x in batch["text"]]
            singles = [{"text": np.array([row])} for row in _spread(rows)]
        else:
            rows = [x[x != 0] for batch in self.ids.values() for x in batch["source"]]
            singles = [{"source": row[None]} for row in _spread(rows)]
        return {f"{i:03d}": single for i, single in enumerate(singles)}


def read_config(out: Path) -> dict[str, Any]:
    """`config.json` of an export.

    Raises:
        VerificationError: If there is none, or it cannot be read.
    """
    config = _read_json(out / "config.json")
    if not isinstance(config, dict) or not config.get("artefacts"):
        raise VerificationError(f"{out / 'config.json'} names no artefacts: it is no export's")
    return config


def read_expected(out: Path, config: Mapping[str, Any], run: Path | None = None) -> Expected:
    """What the artefacts in a folder must give.

    Args:
        out: The export.
        config: Its `config.json`.
        run: The run directory whose Keras model answers anew; None for the stored answers.

    Raises:
        VerificationError: If a file is missing or does not fit the others.
    """
    stored = _read_reference(out / "reference.npz")
    sources = {number: {"source": arrays["source"]} for number, arrays in stored.items()}
    if run is None:
        answers = {name: {k: _below(x, name) for k, x in stored.items()} for name in _SEARCHES}
    else:
        answers = _answer_anew(run, sources, config)
    decode = partial(_decoded, _tokenizer(out / "target.model"))
    texts, translations = _examples(out, config, sources, answers, decode)
    answers |= {HOST_LOOP: answers["greedy"], "translate": translations}
    targets = {k: {"target": x["target"]} for k, x in stored.items() if "target" in x}
    return Expected(sources, texts, answers, targets, decode)


def _read_reference(path: Path) -> Batches:
    try:
        stored = read_batches(path)
    except FileNotFoundError:
        raise VerificationError(f"{path} is missing") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise VerificationError(f"{path} cannot be read: {error}") from error
    complete = all(
        {"source", *(f"{search}/{x}" for search in _SEARCHES for x in _NEEDED)} <= set(batch)
        for batch in stored.values()
    )
    if not stored or not complete:
        raise VerificationError(f"{path} does not hold inputs with greedy and beam answers")
    return stored


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise VerificationError(f"{path} is missing") from None
    except ValueError as error:
        raise VerificationError(f"{path} is not JSON: {error}") from error


def _below(arrays: Arrays, prefix: str) -> Arrays:
    start = f"{prefix}/"
    return {k.removeprefix(start): x for k, x in arrays.items() if k.startswith(start)}


def _answer_anew(run: Path, sources: Batches, config: Mapping[str, Any]) -> dict[str, Batches]:
    from export.reference import padded
    from keras_attention.decoding import BeamSearch, GreedySearch
    from keras_attention.runs import RunDirectory

    model = RunDirectory(run).require_complete().model()
    beam = BeamSearch(config["beam"]["beam_width"], config["beam"]["length_penalty"])
    length = config["max_target_length"]

    def answer(source: np.ndarray, search: Any) -> Arrays:
        found = padded(model.generate(source, search, length), length)
        return {name: x for name, x in found._asdict().items() if x is not None}

    searches = {"greedy": GreedySearch(), "beam": beam}
    return {
        name: {number: answer(batch["source"], search) for number, batch in sources.items()}
        for name, search in searches.items()
    }


def _tokenizer(path: Path) -> Any:
    import sentencepiece

    tokenizer = sentencepiece.SentencePieceProcessor()
    try:
        tokenizer.LoadFromSerializedProto(path.read_bytes())
    except (OSError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise VerificationError(f"{path} cannot be read: {reason}") from error
    return tokenizer


def _examples(
    out: Path,
    config: Mapping[str, Any],
    sources: Batches,
    answers: dict[str, Batches],
    decode: Callable[[Iterable[int]], str],
) -> tuple[Batches, Batches]:
    """The texts of `examples.json` in two batches, and their translations.

    The examples' rows are found in the reference by their ids, so that all hypotheses, scores and
    weights are known, and the examples themselves are checked.
    """
    path = out / "examples.json"
    examples = _read_json(path)
    by_source = _by_source(sources, answers["greedy"])
    search = "greedy" if config["search"]["beam_width"] == 1 else "beam"
    searched = _by_source(sources, answers[search])
    found = []
    for example in examples:
        key = tuple(example["source_ids"])
        greedy = _best(by_source[key]) if key in by_source else []
        if greedy != example["target_ids"] or decode(greedy) != example["target"]:
            raise VerificationError(
                f"{path}: the example {example['source']!r} is not what the Keras model gives"
            )
        texts = np.array([decode(ids) for ids in searched[key]["ids"]])
        found.append({**searched[key], "text": texts})
    halves = {"000": slice(0, 1), "001": slice(1, None)}
    halves = {k: half for k, half in halves.items() if examples[half]}
    inputs = {k: {"text": np.array([e["source"] for e in examples[h]])} for k, h in halves.items()}
    return inputs, {k: _batch(found[half], examples[half]) for k, half in halves.items()}


def _by_source(sources: Batches, answers: Batches) -> dict[tuple[int, ...], Arrays]:
    """The answer to each source, found by its ids without padding."""
    rows = {}
    for number, batch in sources.items():
        for i, source in enumerate(batch["source"]):
            key = tuple(int(x) for x in source if x != 0)
            rows[key] = {name: x[i] for name, x in answers[number].items()}
    return rows


def _best(answer: Arrays) -> list[int]:
    """The ids of the best hypothesis, as many as its length."""
    return [int(i) for i in answer["ids"][0, : answer["lengths"][0]]]


def _decoded(tokenizer: Any, ids: Iterable[int]) -> str:
    special = (tokenizer.pad_id(), tokenizer.bos_id(), tokenizer.eos_id())
    return str(tokenizer.decode([int(i) for i in ids if int(i) not in special]))


def _batch(rows: Sequence[Arrays], examples: Sequence[Mapping[str, Any]]) -> Arrays:
    """Translations as `translate` gives them: weights as wide as the longest source."""
    longest = max(len(example["source_ids"]) for example in examples)
    arrays = {name: np.stack([row[name] for row in rows]) for name in ("text", "scores")}
    if "attention" in rows[0]:
        weights = [row["attention"][..., :longest] for row in rows]
        widened = [np.pad(x, ((0, 0), (0, 0), (0, longest - x.shape[2]))) for x in weights]
        arrays["attention"] = np.stack(widened)
    return arrays


def _spread(rows: Sequence[np.ndarray]) -> list[np.ndarray]:
    return list(rows[:: max(1, len(rows) // _TIMED)][:_TIMED])
