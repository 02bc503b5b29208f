"""Tasks: where pairs of source and target text come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from keras_attention import Translator
from training import dates
from training.config import DataConfig

Pair = tuple[str, str]


class Task(Protocol):
    """Pairs for training, validation and the last test, with no pair in two of them."""

    def tokenizer_text(self) -> tuple[Iterable[str], Iterable[str]]:
        """Source and target text to learn the tokenizers from."""

    def training_pairs(self, epoch: int) -> Iterator[Pair]:
        """Endless pairs; the same for the same epoch."""

    def validation_pairs(self) -> list[Pair]:
        """Pairs to validate on."""

    def held_out_pairs(self) -> list[Pair]:
        """Pairs that neither training nor validation sees."""

    def evaluate(self, translator: Translator, pairs: int) -> Any:
        """A report, a dataclass that prints itself, on that many held-out pairs."""


class Dates:
    """Dates as people write them; see `training.dates`."""

    def __init__(self, config: DataConfig) -> None:
        self.config = config

    def tokenizer_text(self) -> tuple[Iterable[str], Iterable[str]]:
        """Every character that can occur, and the space between them."""
        return [" ".join(dates.source_characters())], [dates.TARGET_CHARACTERS]

    def training_pairs(self, epoch: int) -> Iterator[Pair]:
        """Pairs of training dates."""
        seed = self.config.seed * 1_000_003 + epoch
        return _pairs(dates.generate("train", None, seed=seed))

    def validation_pairs(self) -> list[Pair]:
        """Pairs of validation dates."""
        return list(_pairs(dates.generate("dev", self.config.dev_pairs, seed=self.config.seed)))

    def held_out_pairs(self) -> list[Pair]:
        """Pairs of test dates."""
        examples = dates.generate("test", self.config.held_out_pairs, seed=self.config.seed)
        return list(_pairs(examples))

    def evaluate(self, translator: Translator, pairs: int) -> dates.DatesReport:
        """Exact match, by locale too, and alignment."""
        examples = list(dates.generate("test", pairs, seed=self.config.seed))
        return dates.evaluate_dates(translator, examples)


def _pairs(examples: Iterable[dates.DateExample]) -> Iterator[Pair]:
    return ((example.source, example.target) for example in examples)


def task_of(config: DataConfig) -> Task:
    """The task that a configuration names."""
    return {"dates": Dates}[config.task](config)
