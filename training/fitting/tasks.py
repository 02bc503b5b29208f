"""Tasks: the pairs of source and target text, and the metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol

from keras_attention import Translator
from keras_attention.memory import check_fits
from keras_attention.stored import printable
from keras_attention.text.runs import RunDirectory
from keras_attention.text.tokenizer import SentencePieceTokenizer
from training import dates
from training.corpora.pairs import Pair, read_corpus
from training.corpora.report import KINDS
from training.corpora.splits import source_key, source_keys, split_held_out
from training.evaluation.metrics import METRICS, Metric
from training.fitting.tokenizers import learned_tokenizers
from training.program import ConfigError
from training.recipes.config import (
    CorpusConfig,
    DataConfig,
    DatesConfig,
    PairsConfig,
    Part,
    TextConfig,
)
from training.shards.folder import ShardFolder, ShardPasses
from training.shards.manifest import differences
from training.shards.parts import Passes, TextPasses, Tokenizers

_DATES_IN_A_PASS = 16384
_BYTES_OF_A_PAIR = 200  # a tuple and two short strings


class Task(Protocol):
    """Pairs for training, validation and the final test.

    Attributes:
        metric: What outputs are judged by.
        dropped: The lines dropped so far, each as `file:line (side): reason`.
    """

    metric: Metric
    dropped: list[str]

    def tokenizers(self, text: TextConfig) -> Tokenizers:
        """Train the tokenizers, or read existing ones."""

    def tokenizers_of(self, run: RunDirectory) -> Tokenizers:
        """Return a run's tokenizers; `ValueError` if the pairs are ids of others."""

    def keep_training_pairs(self, fitting: Callable[[Sequence[Pair]], list[Pair]]) -> None:
        """Keep only the training pairs that `fitting` returns, if that is not known of all."""

    def training_data(self) -> Any:
        """Return what tells these training pairs from others, as JSON has it."""

    def passes(self, tokenizers: Tokenizers, seed: int) -> Passes:
        """Return the training pairs, pass after pass, in an order drawn from a seed."""

    def validation_pairs(self) -> list[Pair]:
        """Return the validation pairs."""

    def held_out_pairs(self) -> list[Pair]:
        """Return pairs that neither training nor validation uses."""


class Texts(ABC):
    """A task whose pairs are texts in memory."""

    @abstractmethod
    def tokenizer_text(self) -> tuple[Iterable[str], Iterable[str]]:
        """Return the source and target text to train the tokenizers on."""

    @abstractmethod
    def training_pairs(self, number: int) -> Sequence[Pair]:
        """Return the pairs of a pass, given its number from 0; deterministic."""

    def tokenizers(self, text: TextConfig) -> Tokenizers:
        """Train the tokenizers, or read existing ones."""
        return learned_tokenizers(text, *self.tokenizer_text())

    def tokenizers_of(self, run: RunDirectory) -> Tokenizers:
        """Return a run's tokenizers: texts are encoded with any."""
        return run.tokenizers()

    def training_data(self) -> Any:
        """Return the pairs of the first pass."""
        return self.training_pairs(0)

    def passes(self, tokenizers: Tokenizers, seed: int) -> TextPasses:
        """Return the pairs; `training.fitting.batches` brings them into their order."""
        return TextPasses(self.training_pairs, tokenizers)


class Dates(Texts):
    """Dates as people write them; see `training.dates`."""

    def __init__(self, config: DatesConfig) -> None:
        count = config.dev_pairs + config.held_out_pairs
        what = f"{count:,} pairs (data.dev_pairs and data.held_out_pairs)"
        check_memory(check_fits, what, _BYTES_OF_A_PAIR * count)
        self.config, self.metric = config, METRICS[config.metric]
        self.dropped: list[str] = []

    def tokenizer_text(self) -> tuple[Iterable[str], Iterable[str]]:
        """Return every character that can occur, separated by spaces."""
        return [" ".join(dates.source_characters())], [dates.TARGET_CHARACTERS]

    def training_pairs(self, number: int) -> Sequence[Pair]:
        """Return new pairs of training dates for each pass."""
        seed = self.config.seed * 1_000_000_007 + number
        return _pairs(self._examples("train", _DATES_IN_A_PASS, seed))

    def keep_training_pairs(self, fitting: Callable[[Sequence[Pair]], list[Pair]]) -> None:
        """Do nothing: the number of dates is unlimited, and all fit."""

    def validation_pairs(self) -> list[Pair]:
        """Return pairs of validation dates."""
        return _pairs(self._examples("dev", self.config.dev_pairs))

    def held_out_pairs(self) -> list[Pair]:
        """Return pairs of test dates."""
        return _pairs(self._examples("test", self.config.held_out_pairs))

    def evaluate(self, translator: Translator, pairs: int) -> dates.DatesReport:
        """Measure exact match, overall and by locale, and alignment."""
        return dates.evaluate_dates(translator, self._examples("test", pairs))

    def _examples(self, split: str, count: int, seed: int | None = None) -> list[dates.DateExample]:
        examples = dates.generate(split, count, self.config.seed if seed is None else seed)
        if self.config.order == "source":
            return [example.in_source_order() for example in examples]
        return list(examples)


class Pairs(Texts):
    """Pairs given in the recipe itself; see `PairsConfig`."""

    def __init__(self, config: PairsConfig) -> None:
        self.pairs, self.metric = list(config.pairs), METRICS[config.metric]
        self.dropped: list[str] = []

    def tokenizer_text(self) -> tuple[Iterable[str], Iterable[str]]:
        """Return both sides of the pairs."""
        sources, targets = zip(*self.pairs, strict=True)
        return sources, targets

    def training_pairs(self, number: int) -> Sequence[Pair]:
        """Return all pairs, the same in each pass."""
        return self.pairs

    def keep_training_pairs(self, fitting: Callable[[Sequence[Pair]], list[Pair]]) -> None:
        """Keep only the training pairs that `fitting` returns."""
        self.pairs = fitting(self.pairs)

    def validation_pairs(self) -> list[Pair]:
        """Return all pairs."""
        return self.pairs

    def held_out_pairs(self) -> list[Pair]:
        """Return all pairs."""
        return self.pairs


class Corpus(Texts):
    """Pairs from files; see `training.corpora.pairs`."""

    def __init__(self, config: CorpusConfig) -> None:
        self.config, self.metric = config, METRICS[config.metric]
        self.dropped: list[str] = []
        train = self._read("train")
        dev = self._read("dev") if config.dev else None
        test = self._read("held_out") if config.held_out else None
        extra = self._read("extra") if config.extra else []
        split = split_held_out(
            train,
            dev=config.dev_pairs if dev is None else 0,
            test=config.held_out_pairs if test is None else 0,
            seed=config.seed,
        )
        self.dev = list(split.dev) if dev is None else dev
        self.test = list(split.test) if test is None else test
        self.train = [*split.train, *self._not_held_out(extra)]
        self._tell_overlap()

    def _not_held_out(self, extra: Sequence[Pair]) -> list[Pair]:
        held_out = source_keys((*self.dev, *self.test), self.config.seed)
        kept = [pair for pair in extra if source_key(pair[0], self.config.seed) not in held_out]
        if len(kept) < len(extra):
            left_out = f"{len(extra) - len(kept):,} of the {len(extra):,} pairs in data.extra"
            print(f"{left_out} are left out, because their sources are held out.")
        return kept

    def _tell_overlap(self) -> None:
        known = {source for source, _ in self.train}
        for name, pairs in (("data.dev", self.dev), ("data.held_out", self.test)):
            shared = sum(source in known for source, _ in pairs)
            if shared:
                print(
                    f"{shared:,} of the {len(pairs):,} sources in {name} also occur in data.train."
                )

    def _read(self, part: Part | Literal["extra"]) -> list[Pair]:
        on_problem = self.config.on_problem
        advice = ["Use data.on_problem=drop to skip them."] if on_problem == "error" else []
        columns = f"data.{part}.columns='[0,1]'"
        corpus = read_corpus(getattr(self.config, part), on_problem, advice, columns)
        if corpus.report.dropped:
            print(printable(str(corpus.report), lines=True))
            self.dropped += (f"{p}: {KINDS[p.kind]}" for p in corpus.report.problems)
        return corpus.pairs

    def tokenizer_text(self) -> tuple[Iterable[str], Iterable[str]]:
        """Return both sides of the training pairs."""
        return (pair[0] for pair in self.train), (pair[1] for pair in self.train)

    def training_pairs(self, number: int) -> Sequence[Pair]:
        """Return all pairs, the same in each pass."""
        return self.train

    def keep_training_pairs(self, fitting: Callable[[Sequence[Pair]], list[Pair]]) -> None:
        """Keep only the training pairs that `fitting` returns."""
        self.train = fitting(self.train)

    def validation_pairs(self) -> list[Pair]:
        """Return the pairs of the validation files, or those held out for validation."""
        return self.dev

    def held_out_pairs(self) -> list[Pair]:
        """Return the pairs for the final test."""
        return self.test


class Shards:
    """Pairs from shards that `training.prepare` has made; see `training.shards.folder`.

    Raises:
        ConfigError: If the shards were made with other data.
    """

    def __init__(self, config: CorpusConfig) -> None:
        assert config.train is not None
        assert config.train.shards is not None
        self.folder, self.metric = ShardFolder(config.train.shards), METRICS[config.metric]
        self.dropped: list[str] = []
        made = self.folder.manifest.settings.data
        self._check("data", differences(made, config, but=("train", "metric")))

    def _check(self, section: str, differences: str) -> None:
        if differences:
            raise ConfigError(
                f"The shards {self.folder.path} were made with another section `{section}` than "
                f"requested: {differences}. Leave it to the shards, or make others."
            )

    def tokenizers(self, text: TextConfig) -> Tokenizers:
        """Read the tokenizers that the ids are of."""
        self._check("text", differences(self.folder.manifest.settings.text, text))
        return self.folder.tokenizers

    def tokenizers_of(self, run: RunDirectory) -> Tokenizers:
        """Return a run's tokenizers; `ValueError` if the shards hold ids of others."""
        tokenizers = run.tokenizers()
        if _models(self.folder.tokenizers) != _models(tokenizers):
            raise ValueError(
                f"the shards {self.folder.path} hold ids of other tokenizers than {run.path}. Make "
                f"them with text.source_model={run.source_model} "
                f"text.target_model={run.target_model}."
            )
        return tokenizers

    def keep_training_pairs(self, fitting: Callable[[Sequence[Pair]], list[Pair]]) -> None:
        """Do nothing: shards hold only pairs that fit."""

    def training_data(self) -> Any:
        """Return the hashes of all shards."""
        return [shard.sha256 for shard in self.folder.manifest.shards]

    def passes(self, tokenizers: Tokenizers, seed: int) -> ShardPasses:
        """Return the shards, in another order for each pass."""
        return ShardPasses(self.folder, seed)

    def validation_pairs(self) -> list[Pair]:
        """Return the pairs held out for validation."""
        return self.folder.dev()

    def held_out_pairs(self) -> list[Pair]:
        """Return the pairs for the final test."""
        return self.folder.held_out()


def check_memory(check: Callable[..., None], *arguments: Any, **options: Any) -> None:
    """Call one of `keras_attention.memory`'s checks, whose error is one of the configuration."""
    try:
        check(*arguments, **options)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _models(tokenizers: Tokenizers) -> list[bytes]:
    """The models in the form that existing ones are brought to, which is the same for equal ids."""
    return [SentencePieceTokenizer.from_sentencepiece(one.model).model for one in tokenizers]


def _pairs(examples: Iterable[dates.DateExample]) -> list[Pair]:
    return [(example.source, example.target) for example in examples]


def task_of(config: DataConfig) -> Task:
    """Return the task that a configuration describes.

    Raises:
        CorpusError: If the files of a corpus cannot be read as configured.
    """
    if isinstance(config, CorpusConfig):
        from_shards = config.train is not None and config.train.shards is not None
        return Shards(config) if from_shards else Corpus(config)
    if isinstance(config, DatesConfig):
        return Dates(config)
    if isinstance(config, PairsConfig):
        return Pairs(config)
    raise TypeError(f"There is no task for {config!r}")
