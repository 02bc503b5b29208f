"""The tokenizers of a training, and the pairs of text that fit its model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

from keras_attention.ids import UNKNOWN_ID
from keras_attention.stored import printable
from training.corpora.pairs import Pair, places
from training.corpora.report import first_few
from training.fitting.tasks import Task
from training.program import ConfigError
from training.recipes.config import Part, TrainConfig
from training.shards.parts import Lengths, Tokenizers


def with_sizes(config: TrainConfig, source: int, target: int) -> TrainConfig:
    """Return the configuration with the vocabulary sizes of the tokenizers.

    Raises:
        ConfigError: If the configuration has other sizes.
    """
    for name, size in (("source_vocabulary", source), ("target_vocabulary", target)):
        asked = getattr(config.model, name)
        if asked not in (UNKNOWN_ID + 1, size):
            raise ConfigError(
                f"Key `model.{name}`: must be the size of the tokenizer's vocabulary, {size}; "
                f"set text.{name} to limit that size. Received: {asked}"
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
    """Return the pairs of a part that fit the model; others are an error, or dropped and listed."""
    data = config.data
    limits = (data.max_source_length, data.max_target_length)
    on_problem: Any = getattr(data, "on_problem", "error")
    where = partial(places, data.files_of(part))
    checked = checked_pairs(pairs, tokenizers, limits, on_problem, where)
    task.dropped += checked.dropped
    return checked.pairs


class Checked(NamedTuple):
    """Pairs that fit the maximum lengths.

    Attributes:
        pairs: The pairs that fit.
        dropped: The sides that do not, each as `file:line (side, tokens: text)`.
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
    """Return the pairs that fit the maximum lengths.

    Args:
        pairs: Source and target texts.
        tokenizers: The source and target tokenizers.
        limits: The maximum number of source and target tokens, including the end token.
        on_problem: Whether a pair that does not fit is an `"error"`, or whether to `"drop"` it and
            print how many were dropped and the first few.
        where: A function that finds the `file:line` of both sides of pairs, like `places`.

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
            f"{len(bad):,} of {len(pairs):,} pairs do not have 1 to {source} source tokens and "
            f"1 to {target} target tokens (data.max_source_length and data.max_target_length "
            f"include the end token): {first_few(names)}"
        )
        if on_problem == "error" or not kept:
            advice = "For a corpus, use data.on_problem=drop to skip them."
            raise ConfigError(f"{message}. {advice if kept else 'No pair is left.'}")
        print(f"Dropped: {printable(message)}")
    return Checked(kept, names)


def unknown_tokens(pairs: Sequence[Pair], tokenizers: Tokenizers) -> list[str]:
    """Say for each side how many tokens its tokenizer does not know, if there are any."""
    found = []
    for side, tokenizer in enumerate(tokenizers):
        ids = tokenizer.encode([pair[side] for pair in pairs])
        unknown = sum(row.count(UNKNOWN_ID) for row in ids)
        if unknown:
            name = ("source", "target")[side]
            found.append(
                f"Unknown: {unknown:,} of {sum(map(len, ids)):,} {name} tokens of the validation "
                f"are not among the {tokenizer.vocabulary_size:,} that the model has "
                f"(text.{name}_vocabulary)."
            )
    return found


def _place_of(
    bad: Iterable[int],
    pairs: Sequence[Pair],
    where: Callable[[Iterable[Pair]], Mapping[Pair, Sequence[Pair]]] | None,
) -> dict[int, Pair]:
    """Return the place of each bad pair; equal pairs take their places in order."""
    found = where(pairs[i] for i in bad) if where else {}
    rest = {pair: iter(stands) for pair, stands in found.items()}
    return {i: next(rest.get(pairs[i], iter(())), (f"pair {i + 1}",) * 2) for i in bad}


def _start(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
