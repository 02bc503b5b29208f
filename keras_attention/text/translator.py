"""Translate strings in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_attention.checks import check_positive
from keras_attention.decoding import GreedySearch, Hypotheses, TargetScores, search_from
from keras_attention.ids import END_ID, UNKNOWN_ID
from keras_attention.model.ensemble import Ensemble
from keras_attention.model.generation import Search
from keras_attention.model.seq2seq import Seq2Seq
from keras_attention.text.runs import RunDirectory
from keras_attention.text.tokenizer import SentencePieceTokenizer, listed
from keras_attention.text.translation import ScoredPair, Translation

BATCH_SIZE = 64
"""Texts per batch. A search runs until the last hypothesis of its batch has ended, and on a CPU,
steps of larger batches are no cheaper per text: 256 took 1.6 times as long, with a beam of 5."""


class Translator:
    """A trained model with its tokenizers.

    Args:
        model: The model, or an ensemble.
        source_tokenizer: Converts text to source ids.
        target_tokenizer: Converts target ids to text.
        max_source_length: Maximum number of source tokens, including the end token.
        max_length: Maximum number of target tokens, including the end token.
        search: The default search; None for greedy.
        replace_unknown: Whether to replace each unknown token in a translation by the source token
            with the largest attention weight, as written in the source. This copies names and
            numbers that the model does not know (Luong et al. 2015, section 2; Jean et al. 2015,
            section 3.3). Otherwise, unknown tokens are " ⁇ ".

    Call arguments:
        texts: Strings, in a list or any other iterable that has an order. An empty text has an
            empty translation.
        search: `GreedySearch()`, `BeamSearch(...)` or `SamplingSearch(...)`, or None for the
            translator's own.
        batch_size: Number of texts, of similar length, to translate at once.

    Returns:
        A `Translation` for each text, in the order of the texts.

    Raises:
        TypeError: If `texts` is a single string, a set or a dictionary, or holds no strings.
        ValueError: If a text is too long (the message gives its number), or, in the constructor, if
            `replace_unknown` is True and the model has no attention.

    Example:
        A small untrained model; `Translator.from_run` loads a trained one:

        >>> import keras_attention as ka
        >>> letters = ka.SentencePieceTokenizer.train(["abc"], 16, "char")
        >>> size = letters.vocabulary_size
        >>> config = ka.Seq2SeqConfig(size, size, encoder="lstm", encoder_units=3, decoder_units=4)
        >>> model = ka.Seq2Seq(config)
        >>> translator = ka.Translator(model, letters, letters, max_source_length=8, max_length=5)
        >>> (translation,) = translator(["cab"])
        >>> translation.source_tokens
        ['c', 'a', 'b', '⏎']
        >>> translation.attention.shape == (len(translation.tokens), 4)
        True
    """

    def __init__(
        self,
        model: Seq2Seq | Ensemble,
        source_tokenizer: SentencePieceTokenizer,
        target_tokenizer: SentencePieceTokenizer,
        max_source_length: int,
        max_length: int,
        search: Search | None = None,
        replace_unknown: bool = False,
    ) -> None:
        if replace_unknown and not model.has_attention:
            raise ValueError(
                "Argument `replace_unknown` needs a model with attention. "
                "Received: replace_unknown=True and a model without attention"
            )
        self.model: Any = model
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer
        self.max_source_length = max_source_length
        self.max_length = max_length
        self.search = search or GreedySearch()
        self.replace_unknown = replace_unknown

    @classmethod
    def from_run(
        cls, path: str | Path, *others: str | Path, replace_unknown: bool = False
    ) -> Translator:
        """Load a translator from a run directory.

        Args:
            path: The run directory, which also determines the maximum lengths and the search.
            *others: Further runs with the same tokenizers, to translate with an `Ensemble` of all
                models.
            replace_unknown: As in the class.

        Raises:
            FileNotFoundError: If a directory is incomplete.
            ValueError: If the runs have different tokenizers.
        """
        runs = [RunDirectory(run).require_complete() for run in (path, *others)]
        tokenizers = runs[0].tokenizers()
        for run in runs[1:]:
            if [t.model for t in run.tokenizers()] != [t.model for t in tokenizers]:
                raise ValueError(
                    "The runs of an ensemble must have the same tokenizers. "
                    f"Received: {runs[0].path} and {run.path}, whose tokenizers differ"
                )
        models = [run.model() for run in runs]
        config = runs[0].config()
        return cls(
            Ensemble(models) if others else models[0],
            *tokenizers,
            max_source_length=config["data"]["max_source_length"],
            max_length=config["data"]["max_target_length"],
            search=search_from(**config["search"]),
            replace_unknown=replace_unknown,
        )

    def __call__(
        self, texts: Iterable[str], search: Search | None = None, batch_size: int = BATCH_SIZE
    ) -> list[Translation]:
        """Translate; see the class."""
        texts = listed("texts", texts)
        ids = self.encode(texts)
        done: dict[int, Translation] = {}
        asked = [i for i, row in enumerate(ids) if len(row) > 1]
        for chosen in _batches(asked, lambda i: len(ids[i]), batch_size):
            batch = pad([ids[i] for i in chosen])
            found = self.model.generate(batch, search or self.search, self.max_length)
            for row, i in enumerate(chosen):
                best, *others = self._hypotheses(found, row, ids[i], texts[i])
                best.others.extend(others)
                done[i] = best
        return [done.get(i) or self._empty(row) for i, row in enumerate(ids)]

    def score(
        self, sources: Iterable[str], targets: Iterable[str], batch_size: int = BATCH_SIZE
    ) -> list[ScoredPair]:
        """Score given translations by forced decoding.

        An empty text consists of its end token and is scored like any other. The model's own
        translations get the log-probability that the search found, provided that tokenizing the
        text restores the tokens that were written: a text may have several tokenizations, and the
        model may have chosen another one.

        Args:
            sources: Source texts.
            targets: One translation of each.
            batch_size: Number of pairs to score at once.

        Returns:
            A `ScoredPair` for each pair, in order.

        Raises:
            ValueError: If the numbers of sources and targets differ, or a text is too long; the
                message gives its number.
        """
        source_ids = _encode(self.source_tokenizer, sources, self.max_source_length, "source")
        target_ids = _encode(self.target_tokenizer, targets, self.max_length, "target")
        if len(source_ids) != len(target_ids):
            raise ValueError(
                "Arguments `sources` and `targets` must have the same length. "
                f"Received: {len(source_ids)} sources, {len(target_ids)} targets"
            )
        done: dict[int, ScoredPair] = {}
        lengths = [(len(t), len(s)) for s, t in zip(source_ids, target_ids, strict=True)]
        for chosen in _batches(range(len(lengths)), lengths.__getitem__, batch_size):
            source, target = (pad([ids[i] for i in chosen]) for ids in (source_ids, target_ids))
            found = self.model.score(source, target)
            for row, i in enumerate(chosen):
                done[i] = self._scored(found, row, source_ids[i], target_ids[i])
        return [done[i] for i in range(len(lengths))]

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """Source ids of each text, including the end token."""
        return _encode(self.source_tokenizer, texts, self.max_source_length, "text")

    def _scored(
        self, found: TargetScores, row: int, source: list[int], target: list[int]
    ) -> ScoredPair:
        log_probs = found.log_probs[row, : len(target)]
        return ScoredPair(
            log_probability=float(log_probs.sum(dtype="float64")),
            log_probabilities=log_probs,
            tokens=self.target_tokenizer.pieces(target),
            source_tokens=self.source_tokenizer.pieces(source),
            attention=_cut(found.attention, row, len(target), len(source)),
        )

    def _hypotheses(
        self, found: Hypotheses, row: int, source: list[int], text: str
    ) -> list[Translation]:
        """The translations of a row; an empty one of score -inf if no hypothesis exists."""
        lengths = [int(n) for n in found.lengths[row]]
        hypotheses = [
            self._translation(found, row, k, n, source, text)
            for k, n in enumerate(lengths)
            if n > 0
        ]
        return hypotheses or [replace(self._empty(source), score=-np.inf, is_complete=False)]

    def _translation(
        self, found: Hypotheses, row: int, k: int, length: int, source: list[int], text: str
    ) -> Translation:
        ids = [int(i) for i in found.ids[row, k, :length]]
        attention = None if found.attention is None else found.attention[:, k]
        attention = _cut(attention, row, length, len(source))
        return Translation(
            text=self._text(ids, attention, text),
            score=float(found.scores[row, k]),
            tokens=self.target_tokenizer.pieces(ids),
            source_tokens=self.source_tokenizer.pieces(source),
            attention=attention,
            is_complete=ids[-1] == END_ID,
        )

    def _text(self, ids: list[int], attention: Any, source: str) -> str:
        if not (self.replace_unknown and UNKNOWN_ID in ids):
            return self.target_tokenizer.decode([ids])[0]
        (surfaces,) = self.source_tokenizer.surfaces([source])
        read = attention[:, : len(surfaces)].argmax(axis=1)  # never copy the end token
        unknown = [surfaces[read[t]] for t, i in enumerate(ids) if i == UNKNOWN_ID]
        return self.target_tokenizer.decode_with(ids, unknown)

    def _empty(self, source: list[int]) -> Translation:
        attention = np.zeros((0, len(source))) if self.model.has_attention else None
        tokens = self.source_tokenizer.pieces(source)
        return Translation("", 0.0, [], tokens, attention, is_complete=True)


def _cut(attention: Any, row: int, target: int, source: int) -> Any:
    """Copy the weights of one pair without padding, so that the batch can be freed."""
    return None if attention is None else attention[row, :target, :source].copy()


def _encode(
    tokenizer: SentencePieceTokenizer, texts: Iterable[str], limit: int, name: str
) -> list[list[int]]:
    """Ids of each text, including the end token; raises `ValueError` if a text is too long."""
    texts = listed(f"{name}s", texts)
    ids = [[*row, END_ID] for row in tokenizer.encode(texts)]
    for number, row in enumerate(ids, start=1):
        if len(row) > limit:
            raise ValueError(
                f"{name.capitalize()} {number} has {len(row)} tokens including the end token, but "
                f"the model takes {limit}. Received: {_shortened(texts[number - 1])!r}"
            )
    return ids


def _batches(
    rows: Sequence[int], length: Callable[[int], Any], batch_size: int
) -> Iterator[list[int]]:
    """Group the rows into batches of similar length."""
    check_positive("batch_size", batch_size)
    order = sorted(rows, key=length)
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:60] + "…"


def pad(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Stack lists of ids into one array, padded with 0 on the right."""
    batch = np.zeros((len(rows), max(len(row) for row in rows)), dtype="int32")
    for i, row in enumerate(rows):
        batch[i, : len(row)] = row
    return batch
