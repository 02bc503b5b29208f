"""Strings in, strings out, in Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_attention.checks import check_positive
from keras_attention.decoding import BeamSearch, GreedySearch, Hypotheses
from keras_attention.ids import END_ID
from keras_attention.runs import RunDirectory
from keras_attention.seq2seq import Search, Seq2Seq
from keras_attention.text import SentencePieceTokenizer


@dataclass(frozen=True, eq=False)
class Translation:
    """One hypothesis for one text.

    Attributes:
        text: The translation.
        score: `log-probability / ((5 + length) / 6) ** length_penalty`, in nats.
        tokens: Target tokens as one reads them, the end token last.
        source_tokens: Source tokens, likewise.
        attention: Weights (T, S), a row for each target token, or None without attention.
        is_complete: Whether the end token was reached before the maximum length.
        others: The other hypotheses of a beam, best first.
    """

    text: str
    score: float
    tokens: list[str]
    source_tokens: list[str]
    attention: np.ndarray | None
    is_complete: bool
    others: list[Translation] = field(default_factory=list)


class Translator:
    """A trained model with its tokenizers.

    Args:
        model: The model.
        source_tokenizer: Text to source ids.
        target_tokenizer: Target ids to text.
        max_source_length: The most source tokens, the end token counted.
        max_length: The most target tokens, the end token counted.
        search: The search that is used where a call names none.

    Call arguments:
        texts: Strings. An empty one has an empty translation.
        search: `GreedySearch()` or `BeamSearch(...)`, or None for the translator's own.

    Returns:
        A `Translation` for each text, in the order of the texts.

    Raises:
        ValueError: If a text is too long; the message gives its place in the list.
    """

    def __init__(
        self,
        model: Seq2Seq,
        source_tokenizer: SentencePieceTokenizer,
        target_tokenizer: SentencePieceTokenizer,
        max_source_length: int,
        max_length: int,
        search: Search | None = None,
    ) -> None:
        self.model = model
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer
        self.max_source_length = max_source_length
        self.max_length = max_length
        self.search = search or GreedySearch()

    @classmethod
    def from_run(cls, path: str | Path) -> Translator:
        """The translator that a training left in a run directory.

        Raises:
            FileNotFoundError: If the directory is incomplete.
        """
        run = RunDirectory(path).require_complete()
        config = run.config()
        return cls(
            run.model(),
            *run.tokenizers(),
            max_source_length=config["data"]["max_source_length"],
            max_length=config["data"]["max_target_length"],
            search=search_from(**config["search"]),
        )

    def __call__(
        self, texts: Sequence[str], search: Search | None = None, batch_size: int = 256
    ) -> list[Translation]:
        """Translate; see the class."""
        check_positive("batch_size", batch_size)
        ids = self.encode(texts)
        order = sorted((i for i in range(len(ids)) if len(ids[i]) > 1), key=lambda i: len(ids[i]))
        done: dict[int, Translation] = {}
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            batch = pad([ids[i] for i in chosen])
            found = self.model.generate(batch, search or self.search, self.max_length)
            for row, i in enumerate(chosen):
                best, *others = self._hypotheses(found, row, ids[i])
                best.others.extend(others)
                done[i] = best
        return [done.get(i) or self._empty(row) for i, row in enumerate(ids)]

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Source ids of each text with the end token."""
        if isinstance(texts, str | bytes):
            raise TypeError(f"Argument `texts` must be a list of strings. Received: {texts!r}")
        texts = list(texts)
        ids = [[*row, END_ID] for row in self.source_tokenizer.encode(texts)]
        for number, row in enumerate(ids, start=1):
            if len(row) > self.max_source_length:
                text = _shortened(texts[number - 1])
                raise ValueError(
                    f"Text {number} has {len(row)} tokens with its end token, "
                    f"the model takes {self.max_source_length}. Received: {text!r}"
                )
        return ids

    def _hypotheses(self, found: Hypotheses, row: int, source: list[int]) -> list[Translation]:
        lengths = [int(n) for n in found.lengths[row]]
        return [self._translation(found, row, k, n, source) for k, n in enumerate(lengths) if n > 0]

    def _translation(
        self, found: Hypotheses, row: int, k: int, length: int, source: list[int]
    ) -> Translation:
        ids = [int(i) for i in found.ids[row, k, :length]]
        attention = found.attention
        return Translation(
            text=self.target_tokenizer.decode([ids])[0],
            score=float(found.scores[row, k]),
            tokens=self.target_tokenizer.pieces(ids),
            source_tokens=self.source_tokenizer.pieces(source),
            attention=None if attention is None else attention[row, k, :length, : len(source)],
            is_complete=ids[-1] == END_ID,
        )

    def _empty(self, source: list[int]) -> Translation:
        attention = None if self.model.config.attention is None else np.zeros((0, len(source)))
        tokens = self.source_tokenizer.pieces(source)
        return Translation("", 0.0, [], tokens, attention, is_complete=True)


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:60] + "…"


def pad(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Lists of ids as one array, padded with 0 on the right."""
    batch = np.zeros((len(rows), max(len(row) for row in rows)), dtype="int32")
    for i, row in enumerate(rows):
        batch[i, : len(row)] = row
    return batch


def search_from(beam_width: int, length_penalty: float) -> Search:
    """The search that a configuration asks for: a beam of one is greedy."""
    if beam_width == 1:
        return GreedySearch()
    return BeamSearch(beam_width, length_penalty)
