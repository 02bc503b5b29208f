"""The tokenizers of a training, and the pairs of text that fit its model."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

from keras_attention.ids import UNKNOWN_ID
from keras_attention.text.tokenizer import Normalization
from keras_attention.text.tokenizer import SentencePieceTokenizer as Tokenizer
from training.corpora.pairs import Pair, places
from training.corpora.report import first_few
from training.fitting.batches import Lengths
from training.fitting.tasks import Task
from training.program import ConfigError
from training.recipes.config import Part, TextConfig, TrainConfig

Tokenizers = tuple[Tokenizer, Tokenizer]
"""The source tokenizer and the target tokenizer."""


def learned_tokenizers(text: TextConfig, task: Task) -> Tokenizers:
    """Tokenizers learned from the training pairs; the same one twice if it is shared."""

    def learned(side: str, sentences: Iterable[str], rule: Normalization) -> Tokenizer:
        size = getattr(text, f"{side}_vocabulary")
        try:
            return Tokenizer.train(sentences, size, text.model_type, rule)
        except ValueError as error:
            raise ConfigError(f"Key `text.{side}_vocabulary`: {error}") from error

    source, target = task.tokenizer_text()
    if text.shared:
        both = learned("target", itertools.chain(source, target), text.normalization)
        return both, both
    target_rule = text.target_normalization or text.normalization
    return learned("source", source, text.normalization), learned("target", target, target_rule)


def with_sizes(config: TrainConfig, source: int, target: int) -> TrainConfig:
    """The configuration with the sizes of the tokenizers' vocabularies.

    Raises:
        ConfigError: If others were asked for.
    """
    for name, size in (("source_vocabulary", source), ("target_vocabulary", target)):
        asked = getattr(config.model, name)
        if asked not in (UNKNOWN_ID + 1, size):
            raise ConfigError(
                f"Key `model.{name}`: follows from the tokenizer, which has {size} tokens; "
                f"text.{name} is the most that it may have. Received: {asked}"
            )
    model = dataclasses.replace(config.model, source_vocabulary=source, target_vocabulary=target)
    return dataclasses.replace(config, model=model)


def token_lengths(pairs: Sequence[Pair], tokenizers: Tokenizers) -> list[Lengths]:
    """The number of tokens on both sides of each pair, including the end token."""
    source, target = (
        [len(row) + 1 for row in tokenizer.encode([pair[side] for pair in pairs])]
        for side, tokenizer in enumerate(tokenizers)
    )
    return list(zip(source, target, strict=True))


def fitting_pairs(
    part: Part, pairs: Sequence[Pair], config: TrainConfig, tokenizers: Tokenizers, task: Task
) -> list[Pair]:
    """The pairs of a part that fit the lengths; others are an error, or dropped and told."""
    data = config.data
    limits = (data.max_source_length, data.max_target_length)
    on_problem: Any = getattr(data, "on_problem", "error")
    where = partial(places, data.files_of(part))
    checked = checked_pairs(pairs, tokenizers, limits, on_problem, where)
    task.dropped += checked.dropped
    return checked.pairs


class Checked(NamedTuple):
    """Pairs that fit.

    Attributes:
        pairs: The pairs.
        dropped: The sides that do not fit, each as `file:line (side, tokens: text)`.
    """

    pairs: list[Pair]
    dropped: list[str]


def checked_pairs(
    pairs: Sequence[Pair],
    tokenizers: Tokenizers,
    limits: tuple[int, int],
    on_problem: Literal["error", "drop"] = "error",
    where: Callable[[Iterable[Pair]], Mapping[Pair, Sequence[Pair]]] | None = None,
) -> Checked:
    """The pairs, if all fit, or those that do.

    Args:
        pairs: Source and target texts.
        tokenizers: The source's and the target's.
        limits: The most source and target tokens, the end token counted.
        on_problem: Whether a pair that does not fit is an error, or dropped with a line that says
            how many were, and the first of them.
        where: Finds the `file:line` of both sides of pairs that stand in files, as `places` does.

    Raises:
        ConfigError: If a side of a pair is empty or too long, or no pair is left.
    """
    misfits = [
        (i, side, count - 1)
        for i, counts in enumerate(token_lengths(pairs, tokenizers))
        for side, count in enumerate(counts)
        if not 1 < count <= limits[side]
    ]
    bad = dict.fromkeys(i for i, _, _ in misfits)
    kept = [pair for i, pair in enumerate(pairs) if i not in bad]
    names: list[str] = []
    if bad:
        found = _place_of(bad, pairs, where)
        names = [
            f"{found[i][side]} "
            f"({('source', 'target')[side]}, {count} tokens: {_start(pairs[i][side])!r})"
            for i, side, count in misfits
        ]
        source, target = (limit - 1 for limit in limits)
        message = (
            f"{len(bad):,} of {len(pairs):,} pairs do not fit, which must have 1 to {source} "
            f"source and 1 to {target} target tokens (data.max_source_length and "
            f"data.max_target_length count the end token too): {first_few(names)}"
        )
        if on_problem == "error" or not kept:
            advice = "Of a corpus data.on_problem=drop leaves them out."
            raise ConfigError(f"{message}. {advice if kept else 'No pair is left.'}")
        print(f"Dropped: {message}")
    return Checked(kept, names)


def _place_of(
    bad: Iterable[int],
    pairs: Sequence[Pair],
    where: Callable[[Iterable[Pair]], Mapping[Pair, Sequence[Pair]]] | None,
) -> dict[int, Pair]:
    """Where each of the pairs `bad` stands, of equal ones the first at the first place."""
    found = where(pairs[i] for i in bad) if where else {}
    rest = {pair: iter(stands) for pair, stands in found.items()}
    return {i: next(rest.get(pairs[i], iter(())), (f"pair {i + 1}",) * 2) for i in bad}


def _start(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
