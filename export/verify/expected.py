"""The inputs of a verification and the expected outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from export.verify.compare import MARGIN
from export.verify.inputs import SCORE, SEARCHES
from keras_attention.export.runtimes.runner import HOST_LOOP, Arrays, Batches
from keras_attention.ids import PADDING_ID

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
        return {number: translated(batch, self.decode) for number, batch in found.items()}

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


def translated(batch: Arrays, decode: Callable[[Iterable[int]], str]) -> Arrays:
    """Return the outputs of `translate`, given those of its search."""
    texts = np.array([[decode(ids) for ids in row] for row in batch["ids"]])
    return {"text": texts} | {
        k: x for k, x in batch.items() if k in ("scores", "attention", MARGIN)
    }


def _alone(x: np.ndarray) -> np.ndarray:
    """Return a batch of one input: a text, or ids without padding."""
    return np.array([x if x.ndim == 0 else x[x != PADDING_ID]])


def _spread(rows: Sequence[Input], count: int = _TIMED) -> list[Input]:
    """Return up to `count` rows, evenly spaced from the first to the last."""
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return [rows[place] for place in places]
