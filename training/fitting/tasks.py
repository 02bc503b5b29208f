"""Tasks: where pairs of source and target text come from, and what counts as good."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from keras_attention import Translator
from training import dates
from training.corpora.pairs import Pair, read_corpus
from training.corpora.report import KINDS
from training.corpora.splits import split_held_out
from training.evaluation.translation import bleu, columns
from training.recipes.config import CorpusConfig, DataConfig, DatesConfig, PairsConfig

_DATES_IN_A_PASS = 16384


class Task(Protocol):
    """Pairs for training, validation and the last test.

    Attributes:
        metric: The name of what `score` gives.
        dropped: What was left out of the pairs so far, each as `file:line (side): why`.
    """

    metric: str
    dropped: list[str]

    def tokenizer_text(self) -> tuple[Iterable[str], Iterable[str]]:
        """Source and target text to learn the tokenizers from."""

    def training_pairs(self, number: int) -> Sequence[Pair]:
        """The pairs of a pass, by its number from 0; the same every time."""

    def keep_training_pairs(self, fitting: Callable[[Sequence[Pair]], list[Pair]]) -> None:
        """Train on those of the pairs that `fitting` keeps, where they are finitely many."""

    def validation_pairs(self) -> list[Pair]:
        """Pairs to validate on."""

    def held_out_pairs(self) -> list[Pair]:
        """Pairs that neither training nor validation sees."""

    def score(self, outputs: Sequence[str], references: Sequence[Sequence[str]]) -> float:
        """How good outputs are, each with its references; more is better."""


class Dates:
    """Dates as people write them; see `training.dates`."""

    metric = "exact_match"

    def __init__(self, config: DatesConfig) -> None:
        self.config = config
        self.dropped: list[str] = []

    def tokenizer_text(self) -> tuple[Iterable[str], Iterable[str]]:
        """Every character that can occur, and the space between them."""
        return [" ".join(dates.source_characters())], [dates.TARGET_CHARACTERS]

    def training_pairs(self, number: int) -> Sequence[Pair]:
        """New pairs of training dates in each pass."""
        seed = self.config.seed * 1_000_000_007 + number
        return _pairs(self._examples("train", _DATES_IN_A_PASS, seed))

    def keep_training_pairs(self, fitting: Callable[[Sequence[Pair]], list[Pair]]) -> None:
        """Nothing to keep: there is no end of dates, and all fit."""

    def validation_pairs(self) -> list[Pair]:
        """Pairs of validation dates."""
        return _pairs(self._examples("dev", self.config.dev_pairs))

    def held_out_pairs(self) -> list[Pair]:
        """Pairs of test dates."""
        return _pairs(self._examples("test", self.config.held_out_pairs))

    def score(self, outputs: Sequence[str], references: Sequence[Sequence[str]]) -> float:
        """The fraction that is right to the last character."""
        return _exact_match(outputs, references)

    def evaluate(self, translator: Translator, pairs: int) -> dates.DatesReport:
        """Exact match, by locale too, and alignment."""
        return dates.evaluate_dates(translator, self._examples("test", pairs))

    def _examples(self, split: str, count: int, seed: int | None = None) -> list[dates.DateExample]:
        examples = dates.generate(split, count, self.config.seed if seed is None else seed)
        if self.config.order == "source":
            return [example.in_source_order() for example in examples]
        return list(examples)


class Pairs:
    """Pairs in the recipe itself, which are all that there is; see `PairsConfig`."""

    metric = "exact_match"

    def __init__(self, config: PairsConfig) -> None:
        self.pairs = list(config.pairs)
        self.dropped: list[str] = []

    def tokenizer_text(self) -> tuple[Iterable[str], Iterable[str]]:
        """Both sides of the pairs."""
        sources, targets = zip(*self.pairs, strict=True)
        return sources, targets

    def training_pairs(self, number: int) -> Sequence[Pair]:
        """All pairs, in each pass the same."""
        return self.pairs

    def keep_training_pairs(self, fitting: Callable[[Sequence[Pair]], list[Pair]]) -> None:
        """Train on those that fit."""
        self.pairs = fitting(self.pairs)

    def validation_pairs(self) -> list[Pair]:
        """The same pairs."""
        return self.pairs

    def held_out_pairs(self) -> list[Pair]:
        """The same pairs."""
        return self.pairs

    def score(self, outputs: Sequence[str], references: Sequence[Sequence[str]]) -> float:
        """The fraction that is right to the last character."""
        return _exact_match(outputs, references)


class Corpus:
    """Pairs from files; see `training.corpora.pairs`."""

    metric = "bleu"

    def __init__(self, config: CorpusConfig) -> None:
        self.config = config
        self.dropped: list[str] = []
        train = self._read(config.train)
        dev = self._read(config.dev) if config.dev else None
        test = self._read(config.held_out) if config.held_out else None
        split = split_held_out(
            train,
            dev=config.dev_pairs if dev is None else 0,
            test=config.held_out_pairs if test is None else 0,
            seed=config.seed,
        )
        self.train = list(split.train)
        self.dev = list(split.dev) if dev is None else dev
        self.test = list(split.test) if test is None else test
        self._tell_overlap()

    def _tell_overlap(self) -> None:
        known = {source for source, _ in self.train}
        for name, pairs in (("data.dev", self.dev), ("data.held_out", self.test)):
            shared = sum(source in known for source, _ in pairs)
            if shared:
                print(
                    f"{shared:,} of {len(pairs):,} sources of {name} are among those of data.train."
                )

    def _read(self, files: Any) -> list[Pair]:
        advice = ["data.on_problem=drop leaves them out."]
        corpus = read_corpus(files, self.config.on_problem, advice)
        if corpus.report.dropped:
            print(corpus.report)
            self.dropped += (f"{p}: {KINDS[p.kind]}" for p in corpus.report.problems)
        return corpus.pairs

    def tokenizer_text(self) -> tuple[Iterable[str], Iterable[str]]:
        """Both sides of the training pairs."""
        return (pair[0] for pair in self.train), (pair[1] for pair in self.train)

    def training_pairs(self, number: int) -> Sequence[Pair]:
        """All pairs, in each pass the same."""
        return self.train

    def keep_training_pairs(self, fitting: Callable[[Sequence[Pair]], list[Pair]]) -> None:
        """Train on those that fit."""
        self.train = fitting(self.train)

    def validation_pairs(self) -> list[Pair]:
        """Pairs of the validation files, or held out."""
        return self.dev

    def held_out_pairs(self) -> list[Pair]:
        """Pairs of the last test."""
        return self.test

    def score(self, outputs: Sequence[str], references: Sequence[Sequence[str]]) -> float:
        """BLEU."""
        return bleu(outputs, *columns(references)).score


def _pairs(examples: Iterable[dates.DateExample]) -> list[Pair]:
    return [(example.source, example.target) for example in examples]


def _exact_match(outputs: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    return sum(a in known for a, known in zip(outputs, references, strict=True)) / len(outputs)


def task_of(config: DataConfig) -> Task:
    """The task that a configuration describes.

    Raises:
        CorpusError: If the files of a corpus cannot be read as the configuration asks.
    """
    if isinstance(config, CorpusConfig):
        return Corpus(config)
    if isinstance(config, DatesConfig):
        return Dates(config)
    if isinstance(config, PairsConfig):
        return Pairs(config)
    raise TypeError(f"There is no task for {config!r}")
